"""Mistakes that people make: weak passwords, vital paths, other tools' words, odd letters."""

from pathlib import Path

import pytest

from builder import features, rules, targets
from builder.errors import Diagnostic, SpecError
from builder.features import files, users
from builder.guest.weak import weakness
from builder.plan import make_plan
from builder.rules.zones import is_zone, zone_hint
from builder.schema.aliases import ALIASES
from builder.spec import load_spec
from tests.support.wishes import wish

HEAD = "version: 1\ntarget: ova\nbase: {sample: true}\n"


def problems_of(folder: Path, body: str) -> list[Diagnostic]:
    """Return what is wrong with a spec; its body begins on line 4."""
    path = folder / "lab.yaml"
    path.write_text(HEAD + body)
    try:
        spec = load_spec(path, targets=targets.discover())
        plan = make_plan(spec, features.discover())
    except SpecError as error:
        return list(error.problems)
    return [*rules.check_rules(spec), *plan.warnings]


WEAK = [
    *("abc", "hunter2", "photon1!", "Ada-1815", "homelab!", "password123", "12345678", "87654321"),
    *("qwertzuiop", "asdfghjkl", "aaaaaaaaaa", "Passw0rd!", "letmein!!", "1234567890123"),
]


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_is_warned_of(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADA", password)
    value = {"ada": {"uid": 1000, "password": {"env": "ADA"}}}
    (fault,) = [f for f in wish(users.FEATURE, value).faults if f.code.startswith("USR")]
    assert (fault.code, fault.severity, fault.path) == ("USR012", "warning", ("ada", "password"))
    assert password not in fault.message


@pytest.mark.parametrize(
    "password", ["correct horse", "tr0ub4dor&3", "Zx9-kq2Lm", "fünf Äpfel", "adalovelace1815"]
)
def test_a_password_that_takes_time_to_guess_is_not(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADA", password)
    value = {"ada": {"uid": 1000, "password": {"env": "ADA"}}}
    assert wish(users.FEATURE, value).codes == []


def test_a_drawn_password_is_never_weak() -> None:
    assert wish(users.FEATURE, {"root": {"password": {"random": True}}}).codes == []
    assert weakness("2b7fr4n8wq5hzk3dmc6x", ("root",)) == ""


@pytest.mark.parametrize(
    "path",
    ["/usr/bin", "/usr", "/etc/", "/lib64", "/boot/grub2/grub.cfg", "/bin/sh", "/var"],
)
def test_what_a_machine_lives_by_is_not_removed(path: str) -> None:
    (fault,) = wish(files.FEATURE, [{"path": path, "absent": True}]).faults
    assert (fault.code, fault.severity, fault.path) == ("FILE008", "error", (0, "absent"))
    assert path.rstrip("/") in fault.message


@pytest.mark.parametrize("form", [{"symlink": "/srv"}, {"content": "x"}])
def test_a_vital_directory_is_not_replaced(form: dict[str, str]) -> None:
    (fault,) = wish(files.FEATURE, [{"path": "/usr/lib", **form}]).faults
    assert fault.code == "FILE008"


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "/etc/motd", "absent": True},
        {"path": "/usr/bin/vim", "absent": True},
        {"path": "/etc/resolv.conf", "symlink": "/run/x"},
        {"path": "/root", "directory": True},
        {"path": "/boot/photon.cfg", "content": "x"},
    ],
)
def test_other_paths_are_the_users_own_affair(entry: dict[str, object]) -> None:
    assert wish(files.FEATURE, [entry]).codes == []


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("overlay: {runcmd: [ls]}", "first_boot"),
        ("runcmd: [ls]", "write `first_boot` under `overlay`"),
        ("overlay: {write_files: [{path: /x, content: a}]}", "did you mean `files`?"),
        ("write_files: []", "write `files` under `overlay`"),
        ("overlay: {packages_update: true}", "tdnf -y update"),
        ("package_upgrade: true", "tdnf -y update"),
        ("overlay: {network: {eth0: {netmask: 255.255.255.0}}}", "addresses"),
        ("overlay: {users: {ada: {uid: 1000, ssh_authorized_keys: []}}}", "ssh_keys"),
        ("overlay: {users: {ada: {uid: 1000, lock_passwd: true}}}", "password: {locked: true}"),
        ("overlay: {users: {ada: {uid: 1000, gecos: Ada}}}", "comment"),
        ("overlay: {ca_certs: {}}", "ca_certificates"),
        ("overlay: {yum-repos: {}}", "repositories"),
        ("output: {ram: 2G}", "memory"),
        ("output: {license: x}", "eula"),
    ],
)
def test_words_of_other_tools_name_ours(body: str, hint: str, tmp_path: Path) -> None:
    (problem,) = [p for p in problems_of(tmp_path, f"{body}\n") if p.code == "SCH002"]
    assert hint in problem.hint


def test_every_word_of_other_tools_leads_to_a_key() -> None:
    schema = (Path(__file__).parents[3] / "docs/spec.schema.json").read_text()
    for word, key in ALIASES.items():
        assert f'"{key}"' in schema or key == "kernel_arguments", word
        assert word != key


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("CEST", "Europe/Amsterdam"),
        ("cest", "Europe/Amsterdam"),
        ("PST", "America/Los_Angeles"),
        ("JST", "Asia/Tokyo"),
        ("UTC+2", "Etc/GMT-2"),
        ("GMT-5", "Etc/GMT+5"),
        ("UTC+02:00", "Etc/GMT-2"),
    ],
)
def test_abbreviations_of_time_zones_lead_to_a_zone(zone: str, meant: str) -> None:
    assert not is_zone(zone)
    assert zone_hint(zone).startswith(f"write {meant},")
    assert is_zone(meant)


@pytest.mark.parametrize(
    ("body", "place", "name", "hint"),
    [
        ("overlay: {hostname: “edge”}", (4, 21), "typographic quotes", 'write "edge"'),
        ("overlay: {“hostname”: edge}", (4, 11), "typographic quotes", 'write "hostname"'),
        ("overlay: {timezone: ‘UTC’}", (4, 21), "typographic quotes", 'write "UTC"'),
        ("overlay: {packages: [„nano“]}", (4, 22), "typographic quotes", 'write "nano"'),
        ("overlay: {hostname: edge\u00a0}", (4, 21), "no-break space (U+00A0)", 'write "edge"'),
        ("overlay: {timezone: UTC\u200b}", (4, 21), "zero-width space", 'write "UTC"'),
        ("overlay:\n\u00a0\u00a0hostname: edge", (5, 1), "no-break space", 'write "hostname"'),
        ("overlay:\n  hostname:\u00a0edge", (5, 3), "no-break space", "type a plain space"),
    ],
)
def test_odd_letters_are_named(
    body: str, place: tuple[int, int], name: str, hint: str, tmp_path: Path
) -> None:
    found = [p for p in problems_of(tmp_path, f"{body}\n") if p.code == "YAML016"]
    assert found, body
    assert found[0].place is not None
    assert (found[0].place.line, found[0].place.column) == place
    assert name in found[0].message
    assert hint in found[0].hint


def yaml_problems(folder: Path, body: str) -> list[Diagnostic]:
    """Return what is wrong with the YAML of a spec."""
    return [p for p in problems_of(folder, body) if p.code.startswith("YAML")]


def test_a_no_break_space_behind_a_colon_is_named(tmp_path: Path) -> None:
    (problem,) = yaml_problems(tmp_path, "overlay:\n  timezone: UTC\n  hostname:\u00a0edge\n")
    assert problem.code == "YAML001"
    assert (
        problem.hint == "the line holds a no-break space (U+00A0); type a plain space in its place"
    )


def test_quotes_inside_of_a_text_are_its_own(tmp_path: Path) -> None:
    body = "overlay: {files: [{path: /etc/motd, content: 'Say “hi”, l\u2019ami\u00a0!'}]}\n"
    assert [p.code for p in problems_of(tmp_path, body) if p.code == "YAML016"] == []
