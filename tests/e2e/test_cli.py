"""The command line as people and scripts meet it: help, JSON, pipes, closed streams, mistakes."""

import json
import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.cli import run
from builder.rules import discover as discover_rules
from tests.support.judges import judge
from tests.support.program import PROJECT, Bench

COMMANDS = (
    "build", "fetch", "check", "plan", "lock", "apply", "targets", "catalog", "schema", "explain",
    "facts", "init",
    "doctor", "inspect", "ls", "cat", "diff", "verify", "boot", "burn", "devices", "nightly",
    "os-list", "cache", "cache ls", "cache verify", "cache gc", "cache add",
)  # fmt: skip
SPEC = """\
version: 1
name: edge
target: ova
base: {sample: true}
overlay:
  hostname: edge-1
  users: {root: {password: {env: ROOT_PASSWORD}}}
  files: [{path: /opt/app/run, content: "#!/bin/sh\\n"}]
"""
SECRET = {"ROOT_PASSWORD": "s3cret-edge-7-word"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder with an artifact, and its disk as VMDK and raw by foreign tools; not changed."""
    bench = Bench(tmp_path_factory.mktemp("built"))
    artifact = bench.build(bench.write("specs/edge.yaml", SPEC), **SECRET)
    with tarfile.open(artifact) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith(".vmdk"))
        archive.extract(member, bench.directory, filter="data")
    (bench.directory / member.name).rename(bench.directory / "edge.vmdk")
    vmdk, raw = bench.directory / "edge.vmdk", bench.directory / "edge.raw"
    judge("qemu-img", "convert", "-O", "raw", vmdk, raw)
    return bench


FORMS = ("output/edge.ova", "edge.vmdk", "edge.raw")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert re.match(rf"Usage: photon-builder {command} ", told.out)
    assert len(told.out.splitlines()[2].strip()) > 20


def test_help_lists_every_command(bench: Bench) -> None:
    for arguments in (["--help"], ["-h"]):
        done = bench.run(*arguments)
        assert done.code == 0
        listed = re.findall(r"^  ([a-z][a-z-]+)  ", done.out, re.MULTILINE)
        assert set(listed) == {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["buidl"], "did you mean `build`?"),
        (["zzzzz"], "unknown command `zzzzz`"),
        (["build", "--frce", "x"], "--force"),
        (["build"], "SPEC"),
        (["check"], "SPEC"),
        (["cache", "lss"], "lss"),
        (["explain", "NET999"], "NET999"),
        (["build", "specs/edge.yaml", "-t", "iso9"], "there is no target 'iso9'"),
        (["init", "specs/edge.yaml"], "already exists"),
        (["init", "new.yaml", "-t", "nope"], "there is no target 'nope'"),
        (["catalog", "9.9"], "9.9"),
        (["cache", "gc", "--days", "many"], "many"),
        (["ls", "output/edge.ova", "/../etc"], "/../etc"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_on_the_command_line_is_exit_2(
    arguments: list[str], words: str, built: Bench
) -> None:
    done = built.run(*arguments)
    assert (done.code, done.out, "Traceback" in done.err) == (2, "", False)
    assert words in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["targets"],
        ["catalog"],
        ["catalog", "3.0", "--target", "ova"],
        ["explain", "NET003"],
        ["doctor"],
        ["check", "specs/edge.yaml"],
        ["plan", "specs/edge.yaml"],
        ["build", "specs/edge.yaml"],
        ["inspect", "output/edge.ova"],
        ["inspect", "edge.raw"],
        ["ls", "output/edge.ova", "/etc", "-R"],
        ["diff", "output/edge.ova", "edge.raw"],
        ["verify", "output/edge.ova", "specs/edge.yaml"],
        ["cache", "ls"],
        ["cache", "verify"],
        ["cache", "gc", "--dry-run"],
    ],
    ids=" ".join,
)
def test_an_answer_can_be_had_as_json(arguments: list[str], built: Bench) -> None:
    done = built.run(*arguments, "--json", **SECRET)
    assert done.code == 0, done.err
    assert re.fullmatch(r"photon-builder/[a-z-]+/v1", json.loads(done.out)["schema"])
    assert "s3cret-edge-7-word" not in done.out


def test_the_schema_is_one_and_fits_the_spec(bench: Bench) -> None:
    import jsonschema
    import yaml

    schema = json.loads(bench.run("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(SPEC), schema)


@pytest.mark.parametrize("form", FORMS)
def test_an_artifact_can_be_looked_into_whatever_it_is_packed_in(form: str, built: Bench) -> None:
    assert built.run("cat", form, "/etc/hostname").out == "edge-1\n"
    listed = built.run("ls", form, "/opt/app")
    assert re.fullmatch(r"-rwx[r-][w-][x-].{3} root root 10 .* /opt/app/run\n", listed.out)
    facts = json.loads(built.run("inspect", form, "--json").out)
    assert facts["kind"] == form.rpartition(".")[2]
    assert [part["holds"] for part in facts["partitions"]] == ["nothing known", "fat", "ext4"]
    assert built.run("verify", form, "specs/edge.yaml", **SECRET).code == 0
    same = built.run("diff", "output/edge.ova", form)
    assert (same.code, same.out) == (0, "")


def test_listing_agrees_with_debugfs(built: Bench) -> None:
    offset = 15 << 20
    rows = json.loads(built.run("ls", "edge.raw", "/etc", "--json").out)["files"]
    device = f"{built.directory / 'edge.raw'}?offset={offset}"
    told = judge("debugfs", "-R", "ls -p /etc", device).stdout.split("\n")
    names = {line.split("/")[5] for line in told if line.count("/") >= 6} - {".", ".."}
    assert {row["path"].removeprefix("/etc/") for row in rows} == names


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["cat", "output/edge.ova", "/etc/nope"], 8, "/etc/nope"),
        (["cat", "output/edge.ova", "/etc"], 8, "/etc"),
        (["ls", "output/edge.ova", "/nope"], 8, "/nope"),
        (["inspect", "nope.ova"], 10, "nope.ova"),
        (["inspect", "specs"], 10, "specs"),
        (["inspect", "specs/edge.yaml"], 7, "specs/edge.yaml"),
        (["diff", "output/edge.ova", "nope"], 10, "nope"),
        (["verify", "specs/edge.yaml"], 11, "specs/edge.yaml"),
        (["cache", "add", "nope"], 10, "nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_looking_at_what_is_not_there_is_a_sentence(
    arguments: list[str], code: int, words: str, built: Bench
) -> None:
    done = built.run(*arguments)
    assert (done.code, done.out, "Traceback" in done.err) == (code, "", False), done.err
    assert words in done.err


def test_plan_tells_every_change_with_its_place(built: Bench) -> None:
    rows = json.loads(built.run("plan", "specs/edge.yaml", "--json", **SECRET).out)["plans"]
    steps = {step.get("path"): step for step in rows[0]["plan"]["steps"]}
    assert steps["/opt/app/run"]["place"].endswith("specs/edge.yaml:8:10")
    assert re.fullmatch("[0-9a-f]{64}", rows[0]["digest"])
    assert rows[0]["artifact"] == "output/edge.ova"


def test_init_writes_a_spec_that_checks_and_plans(bench: Bench) -> None:
    for target in ("ova", "ova_uefi"):
        made = bench.run("init", f"specs/{target}.yaml", "--target", target)
        assert (made.code, made.out) == (0, f"specs/{target}.yaml\n")
        done = bench.run("check", target, **SECRET)
        assert done.code == 0, done.err
        assert bench.run("plan", target, **SECRET).code == 0


def test_the_cache_can_be_filled_listed_proved_and_emptied(bench: Bench) -> None:
    file = bench.write("some.file", "content\n")
    refused = bench.run("cache", "add", file)
    assert (
        refused.code,
        "neither its digest nor its name is that of a published file" in refused.err,
    ) == (2, True)
    assert "--as NAME" in refused.err
    assert not list(bench.directory.glob("cache/blobs/sha256/*"))
    address = ("--as", "https://example.org/some.file")
    added = bench.run("cache", "add", file, *address)
    assert added.code == 0
    sha256, path = added.out.split()
    assert judge("sha256sum", path).stdout.split()[0] == sha256
    assert "some.file" in bench.run("cache", "ls").out
    assert "ok: " in bench.run("cache", "verify").out
    Path(path).chmod(0o644)
    Path(path).write_text("CONTENT\n")
    damaged = bench.run("cache", "verify")
    assert (damaged.code, "damaged" in damaged.out) == (6, True)
    assert bench.run("cache", "add", file, *address).code == 0
    swept = json.loads(bench.run("cache", "gc", "--all", "--json").out)
    assert [entry["filename"] for entry in swept["removed"]] == ["some.file"]
    assert json.loads(bench.run("cache", "ls", "--json").out)["files"] == []


def test_facts_of_every_base_are_shown_by_release_and_target(bench: Bench) -> None:
    story = bench.run("facts", "3.0")
    assert story.code == 0, story.err
    assert "Photon 3.0 Rev2 Update3 (a38373200, 2020-08-12), ova, x86_64" in story.out
    board = json.loads(bench.run("facts", "5.0", "--target", "rpi3", "--json").out)["bases"]
    assert [(row["arch"], row["docker"]) for row in board] == [("aarch64", None)]
    everything = json.loads(bench.run("facts", "--json").out)["bases"]
    assert [row["revision"] for row in everything][-1] == "5.0-GA"


def test_facts_of_a_release_that_nobody_knows_name_those_that_are_known(bench: Bench) -> None:
    missing = bench.run("facts", "6.0")
    assert missing.code == 2
    assert "known releases: 3.0, 4.0, 5.0" in missing.err
    assert bench.run("facts", "--target", "src-iso").code == 2


def test_diagnostics_can_be_explained(bench: Bench) -> None:
    codes = [rule.code for rule in discover_rules()]
    for code in codes[::40]:
        told = bench.run("explain", code.lower())
        assert (told.code, told.out.startswith(f"{code} (")) == (0, True)
        assert len(told.out.splitlines()[2]) > 10
    assert "did you mean NET0" in bench.run("explain", "NET0O3").err


def shell(bench: Bench, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``$B`` is the program."""
    program = " ".join(f"'{word}'" for word in bench.command())
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; b() {{ {program} "$@"; }}; {line}'],
        cwd=bench.directory,
        env=bench.environment(**SECRET),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("what", ["ls -R edge.raw /", "schema", "catalog", "plan specs/edge.yaml"])
def test_a_reader_may_close_the_pipe(what: str, built: Bench) -> None:
    done = shell(built, f"b {what} | head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("b ls edge.raw / >&-", 0),
        ("b cat edge.raw /etc/hostname >&-", 0),
        ("b ls edge.raw /nope 2>&-", 8),
        ("b build specs/edge.yaml --force -o elsewhere >&- 2>&- <&-", 0),
        ("b ls edge.raw / >/dev/full", 10),
        ("b cat edge.raw /etc/hostname >/dev/full", 10),
        ("b schema >/dev/full", 10),
        ("b schema >/dev/full 2>&1", 10),
        ("b ls edge.raw /nope 2>/dev/full", 8),
        ("b nope 2>/dev/full", 2),
        ("b build specs/edge.yaml --force -o elsewhere 2>/dev/full", 0),
        ("PYTHONUNBUFFERED= b check nowhere.yaml 2>/dev/full", 3),
    ],
)
def test_closed_and_full_streams_change_no_exit_code(line: str, code: int, built: Bench) -> None:
    done = shell(built, line)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def on_terminal(bench: Bench, *arguments: str, **extra: str) -> str:
    """Run the program with a terminal and return what appears on it."""
    done = bench.run_on_terminal(*arguments, **extra)
    assert done.code in {0, 2, 3}
    return done.out


@pytest.mark.parametrize(
    ("extra", "coloured"),
    [({"NO_COLOR": "unset", "TERM": "xterm"}, True), ({"TERM": "xterm"}, False),
     ({"NO_COLOR": "unset", "TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)  # fmt: skip
def test_colour_is_for_terminals_that_want_it(
    extra: dict[str, str], coloured: bool, bench: Bench
) -> None:
    bench.write("bad.yaml", "version: 1\nname: bad\ntargets: [ova]\nbase: {sample: true}\nx: 1\n")
    seen = on_terminal(bench, "check", "bad.yaml", **extra)
    assert "bad.yaml:5:1" in seen
    assert ("\x1b[31m" in seen) is coloured


def test_a_pipe_gets_plain_lines_and_a_terminal_a_bar(built: Bench) -> None:
    done = built.run("build", "specs/edge.yaml", "--force", "-o", "plain", **SECRET)
    assert "\r" not in done.err
    assert "\x1b" not in done.err
    assert len(done.err.splitlines()) == 3
    seen = on_terminal(built, "build", "specs/edge.yaml", "--force", "-o", "tty", **SECRET)
    assert "verified, sha256" in seen


def named(number: int) -> Callable[[str], str]:
    return lambda text: text.replace("name: edge", f"name: edge-{number}")


def test_several_specs_are_built_and_one_that_fails_can_be_passed_over(bench: Bench) -> None:
    names = [bench.write(f"specs/{n}.yaml", named(n)(SPEC)) for n in range(3)]
    names[1].write_text(names[1].read_text().replace("/opt/app/run", "/run/app"))
    stopped = bench.run("build", *names, "--jobs", "1", **SECRET)
    assert stopped.code == 8
    assert "edge-1.ova" not in {path.name for path in bench.output.glob("*.ova")}
    done = bench.run("build", "--keep-going", *names, **SECRET)
    assert (done.code, done.out) == (8, "output/edge-0.ova\noutput/edge-2.ova\n")
    judge("sh", "-c", f"cd '{bench.output}' && sha256sum --strict --check SHA256SUMS")


@pytest.mark.parametrize("targets", ["target: ova", "targets: [all-images]"])
def test_what_a_feature_warns_of_is_shown_once_whenever_it_is_built(
    targets: str, bench: Bench
) -> None:
    text = SPEC.replace("target: ova", targets).replace("edge-1", "edge-1.local")
    spec = bench.write("specs/edge.yaml", text)
    for command in ("build", "build", "plan"):
        done = bench.run(command, spec, **SECRET)
        assert done.code == 0, done.err
        assert done.err.count("warning[NAME002]") == 1, command


def test_version_is_said_at_once(bench: Bench) -> None:
    assert re.fullmatch(r"photon-builder \d+\.\d+\.\d+\n", bench.run("--version").out)


WARNED = """\
version: 1
target: ova
base: {sample: true}
overlay: {locale: de_DE.UTF-8, users: {root: {password: {env: NOT_SET_HERE}}}}
"""


def test_a_spec_can_be_checked_where_its_secrets_are_not(bench: Bench) -> None:
    bench.write("edge.yaml", WARNED.replace("de_DE.UTF-8", "en_US.UTF-8"))
    checked = bench.run("check", "--strict", "edge.yaml")
    assert checked.code == 0
    assert "warning[SEC002]: the environment variable NOT_SET_HERE is not set" in checked.err
    built = bench.run("build", "edge.yaml")
    assert built.code == 3
    assert "error[SEC002]" in built.err


def test_warnings_fail_a_strict_check_unless_the_spec_allows_them(bench: Bench) -> None:
    bench.write("edge.yaml", WARNED)
    assert bench.run("check", "edge.yaml").code == 0
    strict = bench.run("check", "--strict", "edge.yaml")
    assert strict.code == 3
    assert "warning[LOC001]" in strict.err
    bench.write("edge.yaml", WARNED + "allow: [LOC001]\n")
    allowed = bench.run("check", "--strict", "edge.yaml")
    assert allowed.code == 0
    assert "LOC001" not in allowed.err


def test_only_warnings_that_there_are_can_be_allowed(bench: Bench) -> None:
    bench.write("edge.yaml", WARNED + "allow: [NET001, LOC01, LOC002, XYZ999]\n")
    found = bench.run("check", "edge.yaml")
    assert found.code == 3
    bench.write("edge.yaml", WARNED + "allow: [NET001, XYZ999]\n")
    found = bench.run("check", "edge.yaml")
    assert "edge.yaml:5:9: error[SPEC002]: NET001 is an error" in found.err
    assert "there is no diagnostic XYZ999" in found.err


MISPLACED = """\
version: 1
name: a
targets: [rpi3]
base: {sample: true}
overlay:
  wifi:
    country: DE
    networks:
      attic: hunter2SECRET
      cellar: {psk: hunter2SECRET}
  users:
    root: hunter2SECRET
    ada: {uid: 1000, password: {env: hunter2SECRET}}
    eve:
      uid: 1001
      password:
        hunter2SECRET
  mounts:
    - {source: "//nas/x", path: /mnt/x, type: cifs, options: ["username=u,password=pSECRET"]}
"""


def test_a_secret_that_is_written_where_it_does_not_belong_is_shown_nowhere(bench: Bench) -> None:
    bench.write("specs/a.yaml", MISPLACED)
    said = [bench.run(*words) for words in (("check", "a"), ("plan", "a"), ("nightly", "a"))]
    assert [run.code for run in said] == [3, 3, 3]
    assert "overlay.wifi.networks.attic: found text; wanted a mapping" in said[0].err
    assert "overlay.users.root: found text; wanted a mapping" in said[0].err
    assert not [run for run in said if "SECRET" in run.out + run.err]
    status = (bench.output / "nightly/status.json").read_text()
    assert "overlay.users.root" in status
    assert "SECRET" not in status


def test_check_says_what_the_base_lacks_beside_what_is_wrong_anyway(bench: Bench) -> None:
    text = (
        'version: 1\ntarget: rpi3\nbase: {release: "3.0"}\noverlay:\n'
        "  users: {root: {password: {random: true}}}\n"
        "  swap: {kind: zram}\n"
        '  config_txt: {all: {add: ["dtoverlay=i2c-rtc,ds3231"]}}\n'
    )
    first = bench.run("check", bench.write("specs/pi.yaml", text))
    assert first.code == 3
    assert "SWAP002" in first.out + first.err
    assert "CFG005" in first.out + first.err
    wrong = text + "  network: {ens3: {dhcp: 'yes'}}\n"
    second = bench.run("check", bench.write("specs/pi.yaml", wrong))
    assert {"SWAP002", "CFG005", "NET018"} <= set(
        re.findall(r"[A-Z]+[0-9]{3}", second.out + second.err)
    )


def test_overlays_are_found_beside_the_program_and_else_it_says_where_it_looked(
    bench: Bench,
) -> None:
    text = "version: 1\nname: a\ntarget: ova\nbase: {sample: true}\noverlays: [NAME]\noverlay: {}\n"
    bench.write("a.yaml", text.replace("NAME", "pihole"))
    done = bench.run("check", "a.yaml", PIHOLE_PASSWORD="x", ROOT_PASSWORD="x")
    assert done.code == 0, done.err
    bench.write("b.yaml", text.replace("NAME", "pihola"))
    done = bench.run("check", "b.yaml")
    assert done.code == 3
    assert f"looked for ../overlays/pihola, overlays/pihola, {PROJECT}/overlays/pihola" in done.err
    assert "did you mean pihole?" in done.err


def test_overlays_above_the_folder_of_a_spec_are_found_from_that_folder(bench: Bench) -> None:
    text = "version: 1\nname: a\ntarget: ova\nbase: {sample: true}\noverlays: [mine]\n"
    bench.write("specs/a.yaml", text)
    bench.write("overlays/mine/overlay.yaml", "hostname: edge-1\n")
    there = Bench(bench.directory / "specs")
    done = there.run("plan", "a.yaml")
    assert done.code == 0, done.err
    assert "overlays/mine/overlay.yaml:1" in done.out


def test_make_prints_the_exit_code_of_the_program(bench: Bench) -> None:
    spec = bench.write("bad.yaml", "version: 1\n")
    told = judge("make", "-C", PROJECT, "image", f"SPEC={spec}", check=False)
    assert told.returncode == 2
    assert re.search(r"Error 3$", told.stderr, re.MULTILINE)
