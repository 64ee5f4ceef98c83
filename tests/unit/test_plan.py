"""Plans: canonical order, equal digests for equal wishes, contradictions, and no secrets."""

import itertools
import json
from pathlib import Path

import pytest

from builder import features, targets
from builder.blob import Blob, Download
from builder.changes import (
    STAGES,
    Change,
    EnsureLine,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    Remove,
    SetKernelArguments,
    SetPassword,
    SetUnitState,
    UnitState,
    WriteFile,
)
from builder.errors import Severity, SpecError, UnsupportedError
from builder.facts import facts_of
from builder.guestpath import guest
from builder.plan import Plan, Step, make_plan
from builder.spec import load_spec
from builder.support import check_support

HEAD = "version: 1\nname: edge\ntargets: [ova]\nbase: {sample: true}\n"
OVERLAY = (
    "  hostname: edge-1\n",
    "  timezone: UTC\n",
    "  services: {enable: [docker, sshd], mask: [cron]}\n",
    "  sysctl: {vm.swappiness: 10, net.ipv4.ip_forward: 1}\n",
    "  files:\n    - {path: /opt/b, content: b}\n    - {path: /opt/a, content: a}\n",
    "  users: {ada: {uid: 1000, password: {env: WORD}}, bob: {uid: 1001, password: {env: WORD}}}\n",
)


@pytest.fixture(autouse=True)
def _word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "correct horse")


def planned(folder: Path, text: str, release: str = "5.0") -> Plan:
    path = folder / "specs/edge.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    known = features.discover()
    spec = load_spec(path, targets=targets.discover())
    return make_plan(spec, known, facts=facts_of(release))


def overlay(folder: Path, *keys: str) -> Plan:
    return planned(folder, f"{HEAD}overlay:\n{''.join(keys)}")


def test_the_order_of_the_spec_means_nothing(tmp_path: Path) -> None:
    plans = [overlay(tmp_path, *keys) for keys in itertools.islice(
        itertools.permutations(OVERLAY), 0, None, 97)]  # fmt: skip
    assert len({plan.changes for plan in plans}) == 1
    assert len({plan.digest for plan in plans}) == 1
    assert len(plans) > 5


def test_steps_go_by_stage_and_then_by_subject(tmp_path: Path) -> None:
    plan = overlay(tmp_path, *OVERLAY)
    keys = [
        (next(n for n, kinds in enumerate(STAGES) if isinstance(c, kinds)), c.subject)
        for c in plan.changes
    ]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) > 20


def test_another_way_to_say_the_same_has_the_same_digest(tmp_path: Path) -> None:
    inline = overlay(tmp_path, *OVERLAY)
    for number, key in enumerate(OVERLAY):
        folder = tmp_path / f"overlays/part{number}"
        folder.mkdir(parents=True)
        lines = key.splitlines(keepends=True)
        (folder / "overlay.yaml").write_text("".join(line[2:] for line in lines))
    names = ", ".join(f"part{number}" for number in reversed(range(len(OVERLAY))))
    apart = planned(tmp_path, f"{HEAD}overlays: [{names}]\n")
    assert apart.digest == inline.digest
    assert {step.origin for step in apart.steps} == {step.origin for step in inline.steps}


@pytest.mark.parametrize("index", range(len(OVERLAY)))
def test_any_other_wish_has_another_digest(index: int, tmp_path: Path) -> None:
    without = (*OVERLAY[:index], *OVERLAY[index + 1 :])
    assert overlay(tmp_path, *without).digest != overlay(tmp_path, *OVERLAY).digest


CONTRADICTIONS = {
    "files": (
        "files: [{path: /etc/motd, content: a}]",
        "files: [{path: /etc/motd, content: b}]",
        "path /etc/motd",
    ),
    "mode": (
        'files: [{path: /x, content: a, mode: "0600"}]',
        "files: [{path: /x, content: a}]",
        "path /x",
    ),
    "removal": (
        "files: [{path: /x, content: a}]",
        "files: [{path: /x, absent: true}]",
        "path /x",
    ),
    "unit": (
        "services: {enable: [docker]}",
        "services: {mask: [docker]}",
        "unit docker.service",
    ),
    "host name": ("hostname: one", "hostname: two", "path /etc/hostname"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_the_spec_overrides_its_overlay_and_the_note_names_both(case: str, tmp_path: Path) -> None:
    inline, other, subject = CONTRADICTIONS[case]
    alone = overlay(tmp_path, f"  {inline}\n")
    folder = tmp_path / "overlays/shop"
    folder.mkdir(parents=True)
    (folder / "overlay.yaml").write_text(f"# shop\n{other}\n")
    plan = planned(tmp_path, f"{HEAD}overlays: [shop]\noverlay:\n  {inline}\n")
    assert plan.digest == alone.digest
    (problem,) = (p for p in plan.warnings if p.code == "PLAN002")
    assert problem.place is not None
    if case == "host name":
        assert (problem.place.file.name, problem.place.line) == ("overlay.yaml", 2)
        assert "`one` counts" in problem.message
    else:
        assert subject in problem.message
        assert "overlays/shop/overlay.yaml:2:" in problem.message
        assert (problem.place.file.name, problem.place.line) == ("edge.yaml", 7)
    assert problem.excerpt


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    files = "  files: [{path: relative, content: a}, {path: /a}]\n"
    with pytest.raises(SpecError) as caught:
        overlay(tmp_path, files, "  users: {ada: {uid: 1, password: {env: NO_SUCH_WORD}}}\n")
    errors = [p for p in caught.value.problems if p.severity is Severity.ERROR]
    assert {p.code for p in errors} >= {"FILE001", "FILE002"}
    assert any("NO_SUCH_WORD" in p.message for p in errors)


def test_a_secret_is_in_no_row(tmp_path: Path) -> None:
    secret = tmp_path / "specs/secret"
    secret.parent.mkdir()
    secret.write_text("correct horse\n")
    plan = overlay(tmp_path, *OVERLAY)
    told = json.dumps(plan.plain()) + repr(plan)
    assert "horse" not in told
    assert "$6$" not in told
    words = [row["hash"] for row in plan.plain()["steps"] if row["do"] == "SetPassword"]
    assert words == [{"secret": 0}, {"secret": 1}]


def test_a_secret_file_shows_no_digest_that_could_be_guessed() -> None:
    blob = Blob.text("1234")
    step = Step(WriteFile(guest("/pin"), blob, 0o600, secret=True), "overlay.test")
    shown = json.dumps(Plan((step,)).plain())
    assert blob.sha256 not in shown
    assert '"content": {"secret": 0}' in shown
    other = Step(WriteFile(guest("/pin"), Blob.text("1235"), 0o600, secret=True), "overlay.test")
    assert Plan((step,)).digest != Plan((other,)).digest


def test_rows_say_modes_in_octal_and_content_by_digest(tmp_path: Path) -> None:
    plan = overlay(tmp_path, OVERLAY[4])
    row = next(row for row in plan.plain()["steps"] if row.get("path") == "/opt/a")
    assert row["mode"] == "0644"
    assert row["content"] == {"sha256": Blob.text("a").sha256, "size": 1}
    assert row["owner"] == [0, 0]
    assert (row["from"], Path(str(row["place"])).name) == ("overlay.files", "edge.yaml:7:5")


def test_defaults_apply_unless_the_key_is_given(tmp_path: Path) -> None:
    usual = {step.origin for step in overlay(tmp_path, OVERLAY[0]).steps}
    assert any(origin.startswith("default: ") for origin in usual)
    kept = overlay(tmp_path, OVERLAY[0], "  identity: keep\n")
    assert not [step for step in kept.steps if step.origin == "default: identity"]


def test_a_strict_wish_for_a_unit_wins_over_a_lenient_one(tmp_path: Path) -> None:
    folder = tmp_path / "overlays/shop"
    folder.mkdir(parents=True)
    (folder / "overlay.yaml").write_text('mounts: [{source: "nas:/x", path: /x, type: nfs}]\n')
    plan = planned(
        tmp_path, f"{HEAD}overlays: [shop]\noverlay: {{services: {{enable: [remote-fs.target]}}}}\n"
    )
    found = [c for c in plan.changes if isinstance(c, SetUnitState) and "remote" in c.unit]
    assert found == [SetUnitState("remote-fs.target", UnitState.ENABLED, if_present=False)]


def test_what_a_target_cannot_carry_is_named_in_full() -> None:
    changes: tuple[Change, ...] = (
        InstallPackages(("htop",)),
        SetKernelArguments(("quiet",)),
        MakeDirectory(guest("/x")),
    )
    plan = Plan(tuple(Step(c, f"overlay.{n}") for n, c in enumerate(changes)))
    with pytest.raises(
        UnsupportedError, match=r"target iso cannot carry overlay\.0; overlay\.1"
    ) as caught:
        check_support(plan, frozenset({MakeDirectory}), "iso")
    assert [problem.code for problem in caught.value.problems] == ["OUT005", "OUT005"]
    check_support(plan, frozenset(map(type, changes)), "ova")


def test_downloads_are_replaced_by_what_was_fetched() -> None:
    source = Download("https://example.org/tool", "tool")
    content = Blob.text("tool")
    waiting = Blob(content.sha256, 0, source)
    plan = Plan((
        Step(WriteFile(guest("/tool"), waiting, 0o755), "overlay.a"),
        Step(Remove(guest("/x")), "overlay.b"),
    ))  # fmt: skip
    assert [download for _, download in plan.downloads()] == [source]
    filled = plan.with_content({content.sha256: content})
    assert filled.downloads() == []
    assert filled.digest == plan.digest
    assert filled.steps[1] is plan.steps[1]


def test_equal_changes_have_equal_digests_whoever_asked() -> None:
    changes: tuple[Change, ...] = (
        SetPassword("root", "$6$a$b"),
        EnsureLine(guest("/etc/hosts"), "x"),
        MakeSymlink(guest("/l"), "t"),
    )
    one = Plan(tuple(Step(change, "overlay.one") for change in changes))
    two = Plan(tuple(Step(change, "overlay.two", None, "why") for change in reversed(changes)))
    assert one.digest == two.digest


def test_all_packages_of_a_spec_come_from_the_same_repositories(tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    users = "{root: {password: {locked: true}}, ada: {uid: 1000, sudo: true}}"
    path.write_text(f"{HEAD}overlay: {{packages: [jq], keyboard: de-latin1, users: {users}}}\n")
    known = features.discover()
    spec = load_spec(path, targets=targets.discover())
    drifting = facts_of("5.0", revision="GA", image="ova")
    changes = make_plan(spec, known, facts=drifting).changes
    sources = [change.source for change in changes if isinstance(change, InstallPackages)]
    assert sources == ["release"] * 3
