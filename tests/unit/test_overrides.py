"""A spec goes before the overlays that it names, and null drops a thing of theirs."""

from pathlib import Path

import pytest

from builder import api
from builder.changes import WriteFile
from builder.plan import Plan

OVERLAY = """\
hostname: shop
timezone: Europe/Berlin
packages: [jq]
users: {ada: {uid: 1000}, bob: {uid: 1001}}
services: {enable: [docker]}
files: [{path: /etc/motd, content: shop}, {path: /etc/shop.conf, content: a}]
units: {till.service: {content: "[Service]\\nExecStart=/usr/bin/true\\n"}}
sysctl: {net.ipv4.ip_forward: 1, vm.swappiness: 10}
"""


def load(folder: Path, own: str, *more: str) -> api.Loaded:
    """Read a spec that names an overlay, and further ones."""
    texts = (OVERLAY, *more)
    for number, text in enumerate(texts):
        place = folder / f"overlays/o{number}"
        (place / "files/etc").mkdir(parents=True)
        (place / "overlay.yaml").write_text(text)
    (folder / "overlays/o0/files/etc/tree.conf").write_text("tree")
    path = folder / "specs/lab.yaml"
    path.parent.mkdir()
    names = ", ".join(f"o{number}" for number in range(len(texts)))
    head = f"version: 1\ntarget: ova\nbase: {{sample: true}}\noverlays: [{names}]\n"
    path.write_text(f"{head}overlay: {own}\n")
    return api.load(path)


def plan(folder: Path, own: str, *more: str) -> Plan:
    """Return the plan of a spec that names an overlay."""
    loaded = load(folder, own, *more)
    assert loaded.spec is not None, loaded.problems
    return api.plan(api.make_request(loaded.spec, "ova", output=folder))


def text(made: Plan, path: str) -> str:
    """Return what is written to a path; nothing when it is not written."""
    for change in made.changes:
        if isinstance(change, WriteFile) and change.path == path:
            with change.content.open() as stream:
                return stream.read().decode()
    return ""


def test_a_single_value_of_the_spec_counts(tmp_path: Path) -> None:
    made = plan(tmp_path, "{hostname: till-7, timezone: Europe/Madrid}")
    assert text(made, "/etc/hostname") == "till-7\n"
    assert not [change for change in made.changes if "shop" in str(getattr(change, "line", ""))]
    assert "Europe/Berlin" not in str(made.changes)
    assert [p.code for p in made.warnings].count("PLAN002") == 2


def test_the_last_overlay_counts_when_the_spec_says_nothing(tmp_path: Path) -> None:
    assert text(plan(tmp_path, "{}", "hostname: later"), "/etc/hostname") == "later\n"


def test_the_same_path_is_written_as_the_spec_says_and_the_rest_stays(tmp_path: Path) -> None:
    made = plan(tmp_path, "{files: [{path: /etc/motd, content: till}]}")
    assert (text(made, "/etc/motd"), text(made, "/etc/shop.conf")) == ("till", "a")


@pytest.mark.parametrize(
    ("own", "gone", "kept"),
    [
        ("{hostname: null}", "/etc/hostname", "jq"),
        ("{hostname: }", "/etc/hostname", "jq"),
        ("{users: {bob: null}}", "'bob'", "'ada'"),
        ("{users: {bob: ~}}", "'bob'", "'ada'"),
        ("{units: {till.service: null}}", "till.service", "'ada'"),
        ("{sysctl: {vm.swappiness: null}}", "vm.swappiness", "net.ipv4.ip_forward"),
        ("{packages: null}", "jq", "'ada'"),
        ("{files: null}", "/etc/tree.conf", "'ada'"),
        ("{files: null}", "/etc/shop.conf", "'ada'"),
        ("{users: null, hostname: till}", "'ada'", "/etc/hostname"),
    ],
)
def test_null_drops_a_thing_of_an_overlay(own: str, gone: str, kept: str, tmp_path: Path) -> None:
    before = spelt(plan(tmp_path / "before", "{}"))
    after = spelt(plan(tmp_path / "after", own))
    assert gone in before
    assert (gone in after, kept in after) == (False, True)


def spelt(made: Plan) -> str:
    """Return all that a plan does as text, with what it writes."""
    paths = {change.path for change in made.changes if isinstance(change, WriteFile)}
    return repr(made.changes) + "".join(text(made, path) for path in sorted(paths))


@pytest.mark.parametrize("own", ["{locale: null}", "{users: {eve: null}}", "{hostnmae: null}"])
def test_null_that_drops_nothing_is_an_error(own: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, own)
    assert loaded.spec is None
    assert {problem.place.line for problem in loaded.problems if problem.place} == {5}


def test_a_note_that_is_meant_can_be_silenced(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    made = plan(tmp_path / "a", "{hostname: till}\nallow: [PLAN002]")
    assert [p.code for p in made.warnings if p.code == "PLAN002"] == []
