"""Every command works in every locale, whatever letters the names of a spec have."""

import os
import subprocess
from pathlib import Path

import pytest

from builder.cli import COMMANDS
from tests.support.judges import judge
from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
targets: [ova]
base: {sample: true}
overlays: [eu]
overlay:
  hostname: edge-1
  users: {root: {password: {locked: true}}}
allow: [ACC002]
"""
OVERLAY = """\
files:
  - {path: /opt/日本, content: "日本"}
  - {path: /opt/ünter, source: ünter.txt}
  - {path: /etc/motd, lines: ["grüß dich – œ"]}
"""
BAD = """\
version: 1
targets: [ova]
base: {sample: true}
overlay:
  files: [{path: /opt/日本, content: "x", mode: grün}, {path: /opt/x, source: schön.txt}]
"""
LOCALES = {
    "C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C"},
    "strict ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII out": {"PYTHONIOENCODING": "ascii:strict"},
    "Latin-1 out of C": {
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1",
    },
    "German": {"LC_ALL": "de_DE.ISO-8859-1", "LANG": "de_DE.ISO-8859-1"},
}  # fmt: skip
RUNS: dict[str, list[tuple[tuple[str, ...], int]]] = {
    "build": [(("specs/fü.yaml", "--force"), 0), (("specs/böse.yaml",), 3)],
    "fetch": [(("specs/fü.yaml",), 0), (("--list", "specs/fü.yaml"), 0)],
    "check": [(("specs/fü.yaml",), 0), (("specs/böse.yaml",), 3), (("specs/fehlt-ß.yaml",), 3)],
    "plan": [(("specs/fü.yaml", "-v"), 0), (("specs/fü.yaml", "--json"), 0)],
    "lock": [(("specs/fü.yaml",), 0)],
    "apply": [
        (("specs/fü.yaml", "--root", "fehlt-ß"), 10),
        (("specs/böse.yaml", "--root", "."), 3),
    ],
    "targets": [((), 0)],
    "catalog": [((), 0)],
    "facts": [(("5.0",), 0)],
    "schema": [((), 0)],
    "explain": [(("NET003",), 0)],
    "init": [(("neu-ö.yaml",), 0)],
    "doctor": [((), 0)],
    "inspect": [(("output/edge.ova",), 0), (("fehlt-ß.ova",), 10)],
    "ls": [(("-R", "output/edge.ova", "/opt"), 0), (("output/edge.ova", "/日本"), 8)],
    "cat": [(("output/edge.ova", "/opt/日本"), 0)],
    "diff": [(("output/edge.ova", "output/edge.ova"), 0)],
    "verify": [(("output/edge.ova", "specs/fü.yaml"), 0)],
    "boot": [(("output/edge.ova",), 11)],
    "devices": [((), 0)],
    "nightly": [(("specs/fü.yaml",), 0)],
    "burn": [(("fehlt-ß.img", "/dev/keins-ß"), 12)],
    "os-list": [(("output",), 2)],
    "cache": [(("ls",), 0), (("verify",), 0), (("gc", "--dry-run"), 0), (("add", "ß"), 10)],
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder with specs whose names are not ASCII, and an artifact of one."""
    bench = Bench(tmp_path_factory.mktemp("locales"))
    bench.write("specs/fü.yaml", SPEC)
    bench.write("specs/böse.yaml", BAD)
    bench.write("overlays/eu/overlay.yaml", OVERLAY)
    bench.write("overlays/eu/ünter.txt", "drüber\n")
    bench.write("overlays/eu/files/opt/straße/ä.txt", "hällo\n")
    judge("localedef", "-f", "ISO-8859-1", "-i", "de_DE", bench.directory / "de_DE.ISO-8859-1")
    bench.build("specs/fü.yaml")
    return bench


def _run(
    bench: Bench, arguments: tuple[str, ...], locale: str, **extra: str
) -> tuple[int, bytes, bytes]:
    """Run the program in a locale; what it prints is bytes of that."""
    environment = {
        k: v for k, v in bench.environment().items() if not k.startswith(("LC_", "LANG"))
    }
    environment.pop("PYTHONUTF8", None)
    done = subprocess.run(
        [os.fsencode(word) for word in bench.command(*arguments)],
        cwd=bench.directory,
        env={**environment, "LOCPATH": str(bench.directory), **LOCALES[locale], **extra},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_every_command_is_tried() -> None:
    assert set(RUNS) == set(COMMANDS)


@pytest.mark.parametrize("locale", [name for name in LOCALES if name != "C.UTF-8"])
@pytest.mark.parametrize("command", RUNS)
def test_a_command_does_the_same_in_every_locale(
    command: str, locale: str, bench: Bench, tmp_path: Path
) -> None:
    if locale == "German":
        judge("env", f"LOCPATH={bench.directory}", "LC_ALL=de_DE.ISO-8859-1", "locale", "charmap")
    for given, code in RUNS[command]:
        words = (str(tmp_path / given[0]),) if command == "init" else given
        found, out, err = _run(bench, (command, *words), locale)
        told = out + err
        assert b"Traceback" not in told, told.decode("latin-1")
        assert b"a bug" not in told, told.decode("latin-1")
        assert found == code, told.decode("latin-1")


def test_letters_that_the_locale_has_are_written_and_others_spelled(bench: Bench) -> None:
    words = ("ls", "output/edge.ova", "/opt")
    utf8, plain, german = (
        _run(bench, words, locale)[1] for locale in ("C.UTF-8", "strict ASCII", "German")
    )
    assert {line.rpartition("/")[2] for line in utf8.decode().splitlines()} == {
        "straße", "ünter", "日本",
    }  # fmt: skip
    assert b"/opt/stra\\xdfe\n" in plain
    assert b"/opt/\\u65e5\\u672c\n" in plain
    assert "/opt/straße\n".encode("latin-1") in german
    assert b"/opt/\\u65e5\\u672c\n" in german


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_built_is_the_same_in_every_locale(
    locale: str, bench: Bench, tmp_path: Path
) -> None:
    made = []
    for name in ("C.UTF-8", locale):
        folder = tmp_path / name.replace(" ", "")
        words = ("build", "specs/fü.yaml", "-o", str(folder))
        assert _run(bench, words, name, SOURCE_DATE_EPOCH="1700000000")[0] == 0
        made.append((folder / "edge.ova").read_bytes())
    assert made[0] == made[1]
