"""Nights on real builds: what changed is built, what fails loses nothing, nothing is half there."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builder.cli import run
from tests.support.judges import judge
from tests.support.program import Bench, files_below, names_in

SPEC = """\
version: 1
target: {target}
base: {{sample: true}}
overlay:
  hostname: {host}
{more}
"""
BUILDS = Path("output/nightly")
LARGE = "  files: [{path: /opt/large, source: large}]"


def write(bench: Bench, name: str, host: str = "edge", target: str = "ova", more: str = "") -> Path:
    text = SPEC.format(target=target, host=host, more=more)
    return bench.write(f"specs/{name}.yaml", text)


def make_large(bench: Bench, size: int) -> None:
    """Give specs a file that takes a while to pack."""
    bench.write("specs/large", "")
    with (bench.directory / "specs/large").open("wb") as stream:
        for _ in range(size >> 20):
            stream.write(os.urandom(1 << 20))


def night(bench: Bench, *arguments: str, code: int = 0, **extra: str) -> dict[str, Any]:
    """Run a night and return its summary."""
    done = bench.run("nightly", "--json", *arguments, **extra)
    assert (done.code, "Traceback" in done.err) == (code, False), done.err
    summary: dict[str, Any] = json.loads(done.out)
    assert json.loads((bench.directory / BUILDS / "status.json").read_text()) == summary
    return summary


def states(summary: dict[str, Any]) -> dict[str, str]:
    """Return what became of each spec."""
    return {Path(row["spec"]).stem: row["state"] for row in summary["artifacts"]}


def latest(bench: Bench) -> Path:
    """Return the newest build, whose digests hold."""
    folder = (bench.directory / BUILDS / "latest").resolve()
    judge("sh", "-ec", f"cd '{folder}' && sha256sum -c --quiet --strict SHA256SUMS")
    return folder


def everything(bench: Bench) -> dict[str, tuple[int, int]]:
    """Return all that is published."""
    pointer = (bench.directory / BUILDS / "latest").readlink()
    found = files_below(bench.directory / BUILDS)
    return {name: facts for name, facts in found.items() if name != "status.json"} | {
        f"-> {pointer}": (0, 0)
    }


def test_the_first_night_builds_everything_into_a_dated_folder(bench: Bench) -> None:
    write(bench, "a")
    write(bench, "b", target="gce")
    summary = night(bench)
    assert re.fullmatch(r"\d{8}\.0", summary["build"])
    assert (summary["exit_code"], summary["latest"]) == (0, summary["build"])
    folder = latest(bench)
    assert folder.name == summary["build"]
    sums = judge("sha256sum", folder / "a.ova", folder / "b.gce.tar.gz").stdout.split()[::2]
    assert [row["sha256"] for row in summary["artifacts"]] == sums
    told = json.loads((folder / "summary.json").read_text())
    assert (told["artifacts"], told["build"]) == (summary["artifacts"], summary["build"])
    assert bench.run("verify", folder / "a.ova", "specs/a.yaml").code == 0


def test_a_night_without_a_change_publishes_nothing_and_says_unchanged(bench: Bench) -> None:
    write(bench, "a")
    first = night(bench)
    before = everything(bench)
    second = night(bench)
    assert (second["build"], second["latest"], states(second)) == (
        None,
        first["build"],
        {"a": "unchanged"},
    )
    assert everything(bench) == before
    done = bench.run("nightly")
    assert done.out.partition("\n")[2] == (
        f"specs/a.yaml (ova): unchanged since {first['build']}\n"
        f"nothing changed: output/nightly/latest still points to {first['build']}\n"
    )


def test_what_changed_is_built_and_the_rest_is_taken_over_without_a_copy(bench: Bench) -> None:
    write(bench, "a")
    write(bench, "b", target="rpi3", more="output: {compression: zst}")
    first = night(bench)
    write(bench, "a", host="other")
    second = night(bench)
    assert states(second) == {"a": "built", "b": "unchanged"}
    assert [row["build"] for row in second["artifacts"]] == [second["build"], first["build"]]
    old, new = bench.directory / BUILDS / first["build"], latest(bench)
    names = ("b.rpi3.raw.zst", "b.rpi3.raw.zst.bmap", "b.rpi3.raw.zst.provenance.json")
    assert all((new / name).samefile(old / name) for name in names)
    assert not (new / "a.ova").samefile(old / "a.ova")
    assert bench.run("cat", new / "a.ova", "/etc/hostname").out == "other\n"
    assert bench.run("cat", old / "a.ova", "/etc/hostname").out == "edge\n"
    assert states(night(bench)) == {"a": "unchanged", "b": "unchanged"}


FAILURES: dict[str, tuple[int, str]] = {
    "broken": (3, "hostnaem"),
    "network": (5, "photon-"),
    "secret": (3, "ROOT_PASSWORD"),
    "unsupported": (4, "target src-iso cannot carry"),
}


def break_(bench: Bench, name: str) -> None:
    """Write a spec that cannot be built here."""
    match name:
        case "broken":
            bench.write("specs/broken.yaml", "version: 1\noverlay: {hostnaem: x}\n")
        case "network":
            text = SPEC.format(target="ova", host="x", more="")
            published = text.replace("{sample: true}", '{release: "3.0"}')
            bench.write("specs/network.yaml", published)
        case "secret":
            more = "  users: {root: {password: {env: ROOT_PASSWORD}}}"
            write(bench, "secret", more=more)
        case _:
            write(bench, "unsupported", target="src-iso")


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_and_loses_nothing_else(name: str, bench: Bench) -> None:
    code, words = FAILURES[name]
    break_(bench, name)
    write(bench, "a")
    write(bench, "z")
    mirrors = {"PHOTON_BUILDER_MIRRORS": "http://127.0.0.1:9/"}
    summary = night(bench, code=code, **mirrors)
    assert states(summary) == {"a": "built", "z": "built", name: "failed"}
    row = next(row for row in summary["artifacts"] if row["state"] == "failed")
    assert (row["exit_code"], row["artifact"]) == (code, "")
    assert words in " ".join(row["errors"])
    assert {path.name for path in latest(bench).glob("*.ova")} == {"a.ova", "z.ova"}
    again = night(bench, code=code, **mirrors)
    assert (again["build"], states(again)) == (
        None,
        {"a": "unchanged", "z": "unchanged", name: "failed"},
    )


def test_nothing_good_publishes_nothing(bench: Bench) -> None:
    break_(bench, "broken")
    done = bench.run("nightly")
    assert (done.code, "specs/broken.yaml: FAILED (exit code 3" in done.out) == (3, True)
    assert done.out.endswith("nothing was published\n")
    assert names_in(bench.directory / BUILDS) == ["status.json"]


def test_a_spec_that_breaks_keeps_its_last_good_artifact(bench: Bench) -> None:
    write(bench, "a")
    write(bench, "b")
    first = night(bench)
    write(bench, "a", host="not a name")
    write(bench, "b", host="other")
    second = night(bench, code=3)
    assert states(second) == {"a": "failed", "b": "built"}
    assert second["artifacts"][0]["build"] == first["build"]
    assert bench.run("cat", latest(bench) / "a.ova", "/etc/hostname").out == "edge\n"
    write(bench, "a", host="mended")
    third = night(bench)
    assert states(third) == {"a": "built", "b": "unchanged"}
    assert bench.run("cat", latest(bench) / "a.ova", "/etc/hostname").out == "mended\n"


def test_a_spec_that_is_gone_goes_and_others_that_were_not_asked_for_stay(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        write(bench, name)
    night(bench)
    write(bench, "a", host="other")
    some = night(bench, "a")
    assert states(some) == {"a": "built", "b": "kept", "c": "kept"}
    (bench.directory / "specs/c.yaml").unlink()
    every = night(bench)
    assert states(every) == {"a": "unchanged", "b": "unchanged"}
    assert {path.name for path in latest(bench).glob("*.ova")} == {"a.ova", "b.ova"}
    assert every["build"] != some["build"]


def test_two_specs_with_one_name_do_not_replace_each_other(bench: Bench) -> None:
    write(bench, "a")
    write(bench, "b", host="other", more="name: a")
    summary = night(bench, code=2)
    assert states(summary) == {"a": "built", "b": "failed"}
    assert bench.run("cat", latest(bench) / "a.ova", "/etc/hostname").out == "edge\n"


def test_old_builds_are_pruned_but_not_what_a_pointer_names(bench: Bench) -> None:
    made = []
    for number in range(4):
        write(bench, "a", host=f"night-{number}")
        made.append(night(bench)["build"])
        if number == 0:
            (bench.directory / BUILDS / "stable").symlink_to(made[0])
    write(bench, "a", host="night-4")
    last = night(bench, "--keep", "2")
    assert last["pruned"] == made[1:3]
    kept = sorted(path.name for path in (bench.directory / BUILDS).glob("2*"))
    assert kept == [made[0], made[3], last["build"]]


@pytest.fixture
def small_filesystem(bench: Bench) -> Iterator[Path]:
    """A filesystem of 4 MiB for the builds."""
    point = bench.directory / BUILDS
    point.mkdir(parents=True)
    mounted = judge("mount", "-t", "tmpfs", "-o", "size=4m", "none", point, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small filesystem needs root")
    yield point
    judge("umount", point)


def test_an_artifact_without_room_loses_no_other(small_filesystem: Path, bench: Bench) -> None:
    make_large(bench, 8 << 20)
    write(bench, "a")
    write(bench, "large", more=LARGE)
    write(bench, "z")
    summary = night(bench, code=10)
    assert states(summary) == {"a": "built", "large": "failed", "z": "built"}
    assert {path.name for path in latest(bench).glob("*.ova")} == {"a.ova", "z.ova"}
    assert names_in(small_filesystem) == [summary["build"], "latest", "status.json"]


@contextmanager
def started(bench: Bench) -> "Iterator[subprocess.Popen[str]]":
    """Start a night in which one artifact is there soon and another one takes longer."""
    make_large(bench, 48 << 20)
    write(bench, "a", host="changed")
    write(bench, "slow", target="ami", more=f"{LARGE}\noutput: {{level: 9}}\ndisk: {{size: 1GiB}}")
    with subprocess.Popen(
        bench.command("nightly"),
        cwd=bench.directory,
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_for(lambda: any((bench.directory / BUILDS).glob(".making-*/a.ova")))
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_kill_9_half_way_leaves_the_last_build_and_the_next_run_cleans_up(bench: Bench) -> None:
    write(bench, "a")
    first = night(bench)
    before = everything(bench)
    with started(bench) as process:
        orphans = children(process.pid)
    wait_for(lambda: not any(map(is_there, orphans)))
    left = everything(bench)
    assert {name: left[name] for name in before} == before
    assert orphans
    assert all(name.startswith(".making-") for name in left.keys() - before.keys())
    (bench.directory / "specs/slow.yaml").unlink()
    second = night(bench)
    assert states(second) == {"a": "built"}
    names = {"status.json", "latest", first["build"], second["build"]}
    assert set(names_in(bench.directory / BUILDS)) == names


def test_a_polite_request_to_stop_leaves_nothing(bench: Bench) -> None:
    write(bench, "a")
    night(bench)
    before = everything(bench)
    with started(bench) as process:
        workers = children(process.pid)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate()
    assert (process.returncode, "Traceback" in told) == (130, False), told
    assert everything(bench) == before
    assert not any(map(is_there, workers))


def test_a_second_run_at_the_same_time_is_refused(bench: Bench) -> None:
    with started(bench) as process:
        second = bench.run("nightly")
        assert (second.code, "locked by another nightly run" in second.err) == (10, True)
        assert second.out == ""
        process.communicate()
    assert process.returncode == 0
    assert {path.name for path in latest(bench).glob("*.[!j]*")} >= {"a.ova", "slow.ami.tar.gz"}


def test_a_build_whose_process_is_killed_loses_no_other(bench: Bench) -> None:
    with started(bench) as process:
        wait_for(lambda: len(children(process.pid)) == 1)
        (worker,) = children(process.pid)
        os.kill(worker, signal.SIGKILL)
        _, told = process.communicate()
    assert process.returncode == 10
    assert "specs/slow.yaml (ami) failed" in told
    assert "its process was ended by signal 9" in told
    assert {path.name for path in latest(bench).glob("*.???")} == {"a.ova"}


def test_where_processes_cannot_be_forked_the_builds_are_threads(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_(bench, "unsupported")
    write(bench, "a")
    write(bench, "z")
    monkeypatch.chdir(bench.directory)
    monkeypatch.setenv("PHOTON_BUILDER_CACHE", str(bench.directory / "cache"))
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.delattr(multiprocessing, "get_context")
    assert run(["nightly", "--json"]) == 4
    summary = json.loads(capsys.readouterr().out)
    assert states(summary) == {"a": "built", "unsupported": "failed", "z": "built"}
    assert {path.name for path in latest(bench).glob("*.ova")} == {"a.ova", "z.ova"}


def test_no_specs_at_all_is_a_mistake(bench: Bench) -> None:
    done = bench.run("nightly")
    assert (done.code, "contains no spec" in done.err) == (2, True)
    missing = bench.run("nightly", "nope")
    assert (missing.code, "Traceback" in missing.err) == (3, False)


def test_a_line_says_when_and_why_something_was_built(bench: Bench) -> None:
    write(bench, "a")
    clock = r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ specs/a.yaml \(ova\): built and verified, because "
    first = bench.run("nightly")
    assert re.search(f"{clock}there is no earlier build$", first.err, re.MULTILINE)
    assert re.match(r"started 20\d\d-\S+, took \d+\.\d s\n", first.out)
    write(bench, "a", host="other")
    second = bench.run("nightly")
    reason = r"the plan differs: \d changed"
    assert re.search(f"{clock}{reason}$", second.err, re.MULTILINE), second.err
    assert re.search(
        rf"^specs/a.yaml \(ova\): built, .* s, because {reason}$", second.out, re.MULTILINE
    )
    (row,) = json.loads((latest(bench) / "summary.json").read_text())["artifacts"]
    assert re.fullmatch(reason, row["reason"])
    record = latest(bench) / "a.ova.provenance.json"
    told = json.loads(record.read_text())
    told["builder"]["version"], told["key"] = "0.0.9", "other"
    record.unlink()
    record.write_text(json.dumps(told))
    assert "because photon-builder was 0.0.9, and is " in bench.run("nightly").out
    write(bench, "a", host="other", more="output: {cpus: 3}\n")
    assert "what the spec has under `output`" in bench.run("nightly").out
