"""Bad specs: what is printed of each, and that its hints work when they are followed."""

import json
import re
import time
from pathlib import Path

import pytest

from builder import rules
from tools.bad_specs import FOLDER, SPEC, read_case, run

CASES = {path.stem: read_case(path) for path in sorted(FOLDER.glob("*.txt"))}
FOLLOWED = [name for name, case in CASES.items() if case.changes]
GOLDEN = "is it meant? then: make golden, and look at the diff"
CODE = re.compile(r"(?:error|warning)\[([A-Z]+\d+)\]")
SLOWEST = 20.0
"""Seconds that no spec may take, however it was made."""

HEAD = b"version: 1\ntarget: ova\nbase: {sample: true}\n"
ODD_FILES = {
    "empty": b"",
    "blank": b"\n\n",
    "only a comment": b"# nothing here\n",
    "a null": b"~\n",
    "bytes": bytes(range(256)) * 8,
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "Latin-1": HEAD + "overlay: {hostname: k\xfcche}\n".encode("latin-1"),
    "UTF-16": HEAD.decode().encode("utf-16"),
    "a NUL": HEAD + b"name: a\x00b\n",
    "too large": HEAD + b"# filler\n" * 200_000,
    "deep": HEAD + b"overlay: " + b"[" * 5000,
    "wide": HEAD + b"".join(b"key%d: 1\n" % n for n in range(5_000)),
    "many wrong values": HEAD + b"overlay: {packages: [" + b"1, " * 5_000 + b"1]}\n",
    "a long line": HEAD + b"name: " + b"a" * 500_000 + b"\n",
    "aliases of aliases": HEAD
    + b"a: &a [1, 1]\n"
    + b"".join(b"x%d: &x%d [*a, *a]\n" % (n, n) for n in range(5_000)),
}


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("NAME", "ROOT_PASSWORD", "PIHOLE_PASSWORD", "DB_PASSWORD", "TOKEN", "TAG"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_many() -> None:
    assert len(CASES) > 150
    assert len(FOLLOWED) > 90


@pytest.mark.parametrize("name", CASES)
def test_check_prints_what_it_did(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    begun = time.monotonic()
    code, out, shown = run(case.files, tmp_path, "check", SPEC)
    assert time.monotonic() - begun < SLOWEST
    assert (code, out, shown) == (case.code, "", case.shown), GOLDEN
    assert "Traceback" not in shown
    for found in CODE.findall(shown):
        assert rules.explain(found).code == found


@pytest.mark.parametrize("name", CASES)
def test_plan_and_json_have_the_same_errors(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    code, out, _ = run(case.files, tmp_path, "check", SPEC, "--json")
    problems = json.loads(out)["problems"]
    shown = CODE.findall(case.shown)
    assert (code, sorted(p["code"] for p in problems)) == (case.code, sorted(shown))
    planned, out, err = run(case.files, tmp_path, "plan", SPEC, "--json")
    assert "Traceback" not in out + err
    if code:
        again = {(p["code"], p["line"], p["message"]) for p in json.loads(out)["problems"]}
        wrong = [p for p in problems if p["severity"] == "error"]
        assert planned == code
        assert {(p["code"], p["line"], p["message"]) for p in wrong} <= again


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_hint_that_is_followed_leaves_no_error(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    code, _, shown = run(case.followed(), tmp_path, "check", SPEC)
    assert (code, "error[" in shown) == (0, False), shown


def words(text: str) -> set[str]:
    """Return the words of a text."""
    return set(re.findall("[a-z]{2,}", text.lower()))


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_is_written_is_what_the_output_says(name: str) -> None:
    case = CASES[name]
    said = words(case.shown) | words("\n".join(case.files.values()))
    said |= words(case.shown.replace("\\n", "\n"))
    for edits in case.changes.values():
        for _, after in edits:
            assert words(after.replace("\\n", "\n")) <= said, after


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_file_that_is_no_text_or_too_much_is_refused_at_once(name: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    code, out, shown = run({SPEC: ODD_FILES[name]}, tmp_path, "check", SPEC)
    assert time.monotonic() - begun < SLOWEST
    assert (code, out) == (3, ""), shown[:500]
    assert CODE.findall(shown)
    assert "Traceback" not in shown
