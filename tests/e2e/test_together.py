"""Several artifacts side by side: what is shown, what fails, and what an interrupt leaves."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.program import Bench
from tests.support.server import Behaviour, serve

SPEC = """\
version: 1
name: NAME
targets: [TARGETS]
base: BASE
overlay:
  hostname: lab-1
  users: {root: {password: {env: ROOT_PASSWORD}}}
"""
SECRET = {"ROOT_PASSWORD": "s3cret-edge-7"}
STAGES = re.compile(r"^lab \((\w+)\): (building|.* verified)", re.MULTILINE)


def spec(bench: Bench, name: str, targets: str, base: str = "{sample: true}") -> Path:
    text = SPEC.replace("NAME", name).replace("TARGETS", targets).replace("BASE", base)
    return bench.write(f"specs/{name}.yaml", text)


def stages(text: str) -> list[str]:
    """Return which artifact was begun and which was finished, in the order of the lines."""
    return [f"{found[1]} {found[2].split()[-1]}" for found in STAGES.finditer(text)]


def test_a_list_of_targets_is_built_side_by_side_and_one_by_one_when_asked(bench: Bench) -> None:
    name = spec(bench, "lab", "ova, ami, gce")
    done = bench.run("build", name, "--jobs", "3", **SECRET)
    assert done.code == 0, done.err
    assert done.out == "output/lab.ova\noutput/lab.ami.tar.gz\noutput/lab.gce.tar.gz\n"
    kinds = [stage.split()[1] for stage in stages(done.err)]
    assert sorted(kinds) == ["building"] * 3 + ["verified"] * 3
    assert kinds != ["building", "verified"] * 3
    done = bench.run("build", name, "--force", "-j", "1", **SECRET)
    one_by_one = [f"{target} {what}" for target in ("ova", "ami", "gce")
                  for what in ("building", "verified")]  # fmt: skip
    assert stages(done.err) == one_by_one
    rows = json.loads(bench.run("build", name, "--json", **SECRET).out)["artifacts"]
    assert [(row["target"], row["built"]) for row in rows] == [
        ("ova", False),
        ("ami", False),
        ("gce", False),
    ]


def test_a_password_that_is_drawn_is_shown_with_the_artifact_it_is_for(bench: Bench) -> None:
    name = spec(bench, "lab", "ova, ami")
    name.write_text(name.read_text().replace("{env: ROOT_PASSWORD}", "{random: true}"))
    done = bench.run("build", name)
    assert done.code == 0, done.err
    for artifact in ("lab.ova", "lab.ami.tar.gz"):
        assert len(re.findall(rf"^{re.escape(artifact)}: .*root", done.err, re.MULTILINE)) == 1


def test_after_a_failure_nothing_more_is_begun_unless_it_is_asked_for(bench: Bench) -> None:
    bad = spec(bench, "bad", "ova")
    bad.write_text(bad.read_text() + "  files: [{path: /run/x, content: x}]\n")
    good = spec(bench, "lab", "ova")
    done = bench.run("build", bad, good, "--jobs", "1", **SECRET)
    assert (done.code, done.out) == (8, "")
    assert "bad (ova) failed:\nerror" in done.err
    assert "lab (ova): not begun, as another one failed; use --keep-going to build all" in done.err
    assert "bad (ova): failed, see above" in done.err
    done = bench.run("build", bad, good, "--jobs", "1", "--keep-going", **SECRET)
    assert (done.code, done.out) == (8, "output/lab.ova\n")
    rows = json.loads(bench.run("build", bad, good, "-k", "--json", **SECRET).out)["artifacts"]
    assert [(row["spec"], row.get("exit_code")) for row in rows] == [("bad", 8), ("lab", None)]


def test_a_terminal_has_a_bar_for_each_that_does_not_tear_the_lines(bench: Bench) -> None:
    name = spec(bench, "lab", "ova, ami")
    seen = bench.run_on_terminal("build", name, **SECRET)
    assert seen.code == 0
    lines = [line.rpartition("\r")[2] for line in seen.out.replace("\x1b[A", "").split("\r\n")]
    for target in ("ova", "ami"):
        assert sum(line.startswith(f"lab ({target}): building") for line in lines) == 1, seen.out
        assert sum("verified, sha256" in line and f"({target})" in line for line in lines) == 1


def begun(bench: Bench) -> list[Path]:
    """Return the files in the cache that have begun to come."""
    files = (path for path in (bench.directory / "cache").rglob("*") if path.is_file())
    return [path for path in files if path.stat().st_size > 100_000]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_and_leaves_nothing_half_made(
    number: signal.Signals, bench: Bench
) -> None:
    with serve(b"x" * 1_000_000, Behaviour(stall_after=200_000)) as server:
        for name, digit in (("one", "a"), ("two", "b")):
            address = server.url.replace("photon.ova", f"{name}.ova")
            spec(bench, name, "ova", f"{{url: '{address}', sha256: {digit * 64}}}")
        process = subprocess.Popen(
            bench.command("build", "one", "two", "--jobs", "2"),
            cwd=bench.directory,
            env=bench.environment(**SECRET),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while len(begun(bench)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        if number is signal.SIGINT:  # a terminal interrupts the whole group
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    last = err.splitlines()[-1]
    assert re.fullmatch(
        r"interrupted: kept [0-9.]+ MB of one\.ova, [0-9.]+ MB of two\.ova for "
        r"the next run to resume; no other partial files were left",
        last,
    )
    assert "Traceback" not in err
    assert not list(bench.output.glob("*"))
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
