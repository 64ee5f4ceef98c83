"""``plan`` as people read it: short, by area, in colour on a terminal alone, and what is new."""

import json
import re
from pathlib import Path

import pytest

from builder import features
from builder.cli.areas import AREAS
from tests.support.program import Bench

SPEC = """\
version: 1
name: edge
targets: [ova]
base: {sample: "5.0"}
overlay:
  hostname: edge-1
  timezone: Europe/Amsterdam
  users: {root: {password: {locked: true}}}
  services: {disable: [docker]}
  files: [{path: /etc/one, content: "1"}, {path: /etc/two, content: "2"}]
allow: [ACC002]
"""
ESCAPE = "\x1b["


@pytest.fixture
def spec(bench: Bench) -> Path:
    return bench.write("edge.yaml", SPEC)


def test_what_is_reset_by_default_is_one_line(spec: Path, bench: Bench) -> None:
    told = bench.run("plan", spec).out
    assert told.count("machines from one image must not share it") == 1
    assert "default: identity: 16 changes" in told
    assert "/etc/ssh/ssh_host_rsa_key.pub" not in told
    whole = bench.run("plan", spec, "-v").out
    assert "/etc/ssh/ssh_host_rsa_key.pub" in whole
    assert whole.count("machines from one image must not share it") == 1
    assert len(told.splitlines()) < len(whole.splitlines()) - 15


def test_changes_stand_by_area_and_name_their_place(spec: Path, bench: Bench) -> None:
    told = bench.run("plan", spec).out
    titles = re.findall(r"^  ([a-z]+)$", told, re.MULTILINE)
    assert titles == ["access", "network", "services", "apps", "files", "system"]
    files = told.partition("\n  files\n")[2].partition("\n\n")[0]
    assert files.splitlines() == [
        "    files  edge.yaml:10",
        "      write     /etc/one  (1 bytes)",
        "      write     /etc/two  (1 bytes)",
    ]


def test_every_key_of_an_area_is_one() -> None:
    known = {feature.key for feature in features.discover()}
    named = [key for keys in AREAS.values() for key in keys]
    assert len(named) == len(set(named))
    assert set(named) <= known


@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [
        ((), {"NO_COLOR": "unset", "TERM": "xterm"}, True),
        ((), {"NO_COLOR": "1", "TERM": "xterm"}, False),
        ((), {"NO_COLOR": "unset", "TERM": "dumb"}, False),
        (("--no-color",), {"NO_COLOR": "unset", "TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    coloured: bool,
    spec: Path,
    bench: Bench,
) -> None:
    done = bench.run_on_terminal("plan", spec, *arguments, **environment)
    assert done.code == 0
    assert (ESCAPE in done.out) is coloured
    assert ESCAPE not in bench.run("plan", spec, **{**environment, "NO_COLOR": ""}).out


def test_an_error_has_no_colour_either_when_none_is_wanted(bench: Bench) -> None:
    bench.write("bad.yaml", "version: 1\n")
    shown = {"NO_COLOR": "unset", "TERM": "xterm"}
    assert ESCAPE in bench.run_on_terminal("check", "bad.yaml", **shown).out
    assert ESCAPE not in bench.run_on_terminal("check", "bad.yaml", "--no-color", **shown).out


@pytest.mark.parametrize("columns", [50, 72])
def test_lines_fit_the_terminal(columns: int, spec: Path, bench: Bench) -> None:
    told = bench.run_on_terminal("plan", spec, "-v", COLUMNS=str(columns)).out
    for line in told.splitlines():
        longest = max((len(word) for word in line.split()), default=0)
        assert len(line) <= columns or longest > columns - 20, line
    assert any(len(line) > columns for line in bench.run("plan", spec).out.splitlines())


def test_the_last_build_is_compared_with(spec: Path, bench: Bench) -> None:
    assert "no provenance of an earlier build of output/edge.ova" in bench.run("plan", spec).out
    (first,) = json.loads(bench.run("plan", spec, "--json").out)["plans"]
    assert first["since_last_build"] is None
    bench.build(spec)
    assert re.search(
        r"since the last build \(20.* UTC\): the plan did not change", bench.run("plan", spec).out
    )
    spec.write_text(
        SPEC.replace("edge-1", "edge-2").replace(
            '{path: /etc/two, content: "2"}', '{path: /etc/three, content: "3"}'
        )
    )
    told = bench.run("plan", spec).out
    assert re.search(
        r"since the last build .*: 1 added \(\+\), 2 changed \(~\), 1 removed \(-\)", told
    )
    assert "    + write     /etc/three  (1 bytes)\n" in told
    assert "    ~ write     /etc/hostname  (7 bytes)\n" in told
    assert "    - /etc/two  (files)\n" in told
    assert "      write     /etc/one  (1 bytes)\n" in told
    (row,) = json.loads(bench.run("plan", spec, "--json").out)["plans"]
    found = row["since_last_build"]
    assert found["added"] == ["path /etc/three"]
    assert "path /etc/hostname" in found["changed"]
    assert found["removed"] == ["path /etc/two"]


def test_another_base_is_told(spec: Path, bench: Bench) -> None:
    artifact = bench.build(spec)
    mine = bench.directory / "mine.ova"
    mine.write_bytes(artifact.read_bytes())
    assert (
        "another base (it was the sample base of Photon 5.0 GA)"
        in bench.run("plan", spec, "--base", mine).out
    )


def test_a_secret_that_changes_is_a_change_and_is_not_shown(bench: Bench) -> None:
    text = SPEC.replace("{locked: true}", "{env: PASSWORD}")
    spec = bench.write("edge.yaml", text)
    bench.build(spec, PASSWORD="first-secret")
    assert "the plan did not change" in bench.run("plan", spec, PASSWORD="first-secret").out
    told = bench.run("plan", spec, PASSWORD="other-secret").out
    assert "    ~ password  root" in told
    assert "other-secret" not in told
    record = (bench.output / "edge.ova.provenance.json").read_text()
    assert "first-secret" not in record
    assert "$6$" not in record


def test_json_has_every_step(spec: Path, bench: Bench) -> None:
    (row,) = json.loads(bench.run("plan", spec, "--json").out)["plans"]
    reset = [step for step in row["plan"]["steps"] if step["from"] == "default: identity"]
    assert len(reset) == 16
    assert all(step["reason"] for step in reset)
