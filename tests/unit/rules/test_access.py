"""Who can log in and become root, by what is known of each base."""

from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.changes import AddGroup
from builder.errors import Diagnostic
from builder.facts import Facts, facts_of
from builder.lock import Lock
from builder.plan import make_plan
from builder.spec import load_spec

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r a"
LOCKED = "root: {password: {locked: true}}"
OVA = {"ova": facts_of("5.0", revision="GA", image="ova")}
AMI = {"ami": facts_of("5.0", revision="GA", image="ami")}
ISO = {"iso": facts_of("5.0", revision="GA", image="iso-minimal")}
OLD_ISO = {"minimal-iso": facts_of("3.0", revision="GA", image="iso-minimal")}
BOARD = {"rpi3": facts_of("5.0", revision="GA", image="rpi", arch="aarch64")}
UNKNOWN = {"ova": facts_of("", image="")}


def check(folder: Path, overlay: str, bases: dict[str, Facts]) -> tuple[Diagnostic, ...]:
    path = folder / "lab.yaml"
    inner = "".join(f"  {line}\n" for line in overlay.splitlines())
    listed = ", ".join(bases)
    install = "install: {disk: /dev/sda}\n" if "iso" in listed else ""
    head = f"version: 1\ntargets: [{listed}]\nbase: {{release: '5.0'}}\n{install}"
    path.write_text(f"{head}overlay:\n{inner}")
    known = targets.discover()
    spec = load_spec(path, targets=known, locked=Lock())
    return rules.check_rules(spec, bases)


def found(folder: Path, overlay: str, bases: dict[str, Facts]) -> list[str]:
    return [p.code for p in check(folder, overlay, bases) if p.code.startswith(("ACC", "SVC"))]


def ada(more: str = "", root: str = LOCKED) -> str:
    return f"users: {{{root}, ada: {{uid: 1000, groups: [wheel], ssh_keys: ['{KEY}']{more}}}}}"


HASH = "password: {hash: '$6$salt$hash'}"


@pytest.mark.parametrize(
    ("overlay", "bases", "expected"),
    [
        (ada(), OVA, True),
        (ada(), BOARD, True),
        (ada(), OLD_ISO, True),
        (ada(), ISO, True),
        (ada(", sudo: nopasswd"), OVA, False),
        (ada(", sudo: true"), OVA, True),
        (ada(f", sudo: true, {HASH}"), OVA, False),
        (ada(f", {HASH}"), OVA, True),
        (ada(f", {HASH}"), ISO, False),
        (ada(f", {HASH}") + "\npackages: [sudo]", OVA, False),
        (ada() + "\npackages: [sudo]", OVA, True),
        (ada() + "\nfiles: [{path: /etc/sudoers.d/ada, content: x}]", ISO, False),
        (ada(root=f"root: {{{HASH}}}"), OVA, False),
        (ada(root=f"root: {{ssh_keys: ['{KEY}'], password: {{locked: true}}}}"), OVA, False),
        (ada(root=f"eve: {{uid: 1001, ssh_keys: ['{KEY}']}}"), AMI, True),
        (ada(), UNKNOWN, True),
        (ada(f", {HASH}"), UNKNOWN, False),
        (ada().replace("wheel", "users"), OVA, False),
    ],
)
def test_an_account_in_wheel_has_a_way_to_become_root(
    overlay: str, bases: dict[str, Facts], expected: bool, tmp_path: Path
) -> None:
    assert ("ACC005" in found(tmp_path, overlay, bases)) is expected


def test_the_hint_is_a_line_that_helps(tmp_path: Path) -> None:
    (problem,) = (p for p in check(tmp_path, ada(), OVA) if p.code == "ACC005")
    assert problem.message == (
        "ada is in wheel and cannot become root: the base of ova has no sudo, "
        "and root has no password for su"
    )
    assert problem.hint == "add `sudo: nopasswd` to users.ada"
    assert problem.place
    assert problem.place.line == 5


@pytest.mark.parametrize(
    ("overlay", "bases", "codes"),
    [
        ("hostname: a", OVA, ["ACC001"]),
        ("hostname: a", BOARD, ["ACC001"]),
        ("hostname: a", UNKNOWN, ["ACC001"]),
        ("hostname: a", ISO, ["ACC002"]),
        ("hostname: a", ISO | OVA, ["ACC001", "ACC002"]),
        (f"users: {{root: {{ssh_keys: ['{KEY}']}}}}", ISO, []),
        (f"users: {{ada: {{uid: 1000, ssh_keys: ['{KEY}']}}}}", ISO, []),
        ("users: {root: {password: {random: true}}}", ISO, []),
        ("hostname: a", AMI, []),
    ],
)
def test_a_medium_knows_no_published_password(
    overlay: str, bases: dict[str, Facts], codes: list[str], tmp_path: Path
) -> None:
    assert sorted(found(tmp_path, overlay, bases)) == codes


@pytest.mark.parametrize(
    ("unit", "more", "hint"),
    [
        ("cron", "", "write crond, and add packages: [cronie]"),
        ("syslog", "", "write rsyslog, and add packages: [rsyslog]"),
        ("cron", "\npackages: [cronie]", "write crond"),
        ("ssh", "", "write sshd"),
    ],
)
def test_a_unit_of_another_name_is_told_with_the_package_that_brings_it(
    unit: str, more: str, hint: str, tmp_path: Path
) -> None:
    text = f"users: {{root: {{password: {{random: true}}}}}}\nservices: {{enable: [{unit}]}}{more}"
    hints = [p.hint for p in check(tmp_path, text, OVA) if p.code == "SVC012"]
    assert hints == [hint]


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("files: [{path: /etc/cron.d/job, content: x}]", ["SVC014"]),
        ("files: [{path: /etc/cron.d, directory: true}]", ["SVC014"]),
        ("files: [{path: /etc/cron.d/job, content: x}]\npackages: [cronie]", []),
        ("files: [{path: /etc/cron.d/job, absent: true}]", []),
        ("files: [{path: /etc/motd, content: x}]", []),
    ],
)
def test_a_job_needs_a_cron_that_runs_it(more: str, codes: list[str], tmp_path: Path) -> None:
    text = f"users: {{root: {{password: {{random: true}}}}}}\n{more}"
    assert found(tmp_path, text, OVA) == codes


def test_a_socket_of_the_spec_makes_the_port_void(tmp_path: Path) -> None:
    socket = "users: {root: {password: {random: true}}}\nservices: {enable: [sshd.socket]}\n"
    for port, codes in (("port: 2222", ["SSH003"]), ("port: 22", []), ("password: true", [])):
        said = [p.code for p in check(tmp_path, f"{socket}ssh: {{{port}}}", OVA)]
        assert [code for code in said if code == "SSH003"] == codes


@pytest.mark.parametrize(
    ("more", "bases", "expected"),
    [
        ("", OVA, False),
        ("", BOARD, True),
        ("\npackages: [docker]", BOARD, False),
        ("\ngroups: {docker: 950}", BOARD, False),
        ("", UNKNOWN, False),
    ],
)
def test_a_group_that_no_package_has_made_is_found_without_a_download(
    more: str, bases: dict[str, Facts], expected: bool, tmp_path: Path
) -> None:
    overlay = f"users: {{{LOCKED}, ada: {{uid: 1000, groups: [docker]}}}}{more}"
    assert ("ACC006" in found(tmp_path, overlay, bases)) is expected


def test_a_group_is_there_before_the_package_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    users = f"users: {{{LOCKED}, ada: {{uid: 1000, groups: [docker, wheel]}}}}"
    head = "version: 1\ntarget: rpi3\nbase: {sample: true}\n"
    path.write_text(f"{head}overlay:\n  {users}\n  packages: [docker]\n")
    spec = load_spec(path, targets=targets.discover(), locked=Lock())
    made = make_plan(spec, features.discover(), facts=BOARD["rpi3"]).changes
    assert [change.name for change in made if isinstance(change, AddGroup)] == ["docker"]
