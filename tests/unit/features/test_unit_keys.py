"""Sections and keys of unit files, as systemd of this machine and of the bases has them."""

import re
from pathlib import Path

import pytest

from builder.errors import Severity
from builder.facts import Facts, facts_of
from builder.features import units
from builder.guest.unit_keys import iter_unknown, known_keys
from tests.support.judges import judge
from tests.support.wishes import wish

HERE = 252
GONE = {
    *("ConditionNull", "AssertNull", "IgnoreOnSnapshot", "BusPolicy", "SysVStartPriority"),
    *("ManagedOOMMemoryPressureLimitPercent", "NetClass", "Capabilities"),
}
"""Known to an older systemd, and to that of this machine no more."""

PROGRAMS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
SECTIONS = {
    "service": "ExecStart=/bin/true",
    "socket": "ListenStream=/run/x",
    "timer": "OnBootSec=1h",
    "path": "PathExists=/x",
    "mount": "What=/dev/x",
    "slice": "",
}


def version_here() -> int:
    """Return the version of systemd on this machine."""
    return int(re.findall(r"systemd (\d+)", judge("systemctl", "--version").stdout)[0])


def dumped() -> dict[str, set[str]]:
    """Return the keys of each section, as systemd of this machine lists them."""
    found: dict[str, set[str]] = {}
    section = ""
    program = next(path for path in PROGRAMS if Path(path).exists())
    for line in judge(program, "--dump-configuration-items").stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            found.setdefault(section, set()).add(line.partition("=")[0])
    return found


def test_the_table_has_the_keys_of_systemd() -> None:
    if version_here() != HERE:
        pytest.skip(f"systemd {version_here()}; the table is compared with {HERE}")
    for section, keys in dumped().items():
        ours = {key for key, since in known_keys(section).items() if since <= HERE}
        assert ours - GONE == keys, section


@pytest.mark.parametrize("kind", SECTIONS)
def test_what_is_not_known_is_what_systemd_passes_over(kind: str, tmp_path: Path) -> None:
    title = kind.capitalize()
    lines = [f"[{title}]", SECTIONS[kind], "Imaginary=1", "[Imagined]", "A=b", "[X-Own]", "C=d", ""]
    path = tmp_path / f"x.{kind}"
    path.write_text("\n".join(lines))
    said = judge("systemd-analyze", "verify", path, check=False).stderr
    passed_over = re.findall(r":(\d+): Unknown (key|section)[^']*'(\w+)'", said)
    found = [
        (str(number), "key" if key else "section", key or section)
        for number, section, key, _ in iter_unknown(path.read_text(), path.name, HERE)
    ]
    assert found == passed_over != []


UNIT = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n{}\n"
CASES: dict[str, tuple[str, str, list[tuple[str, str | None]]]] = {
    "misspelt": ("RestartSecs=5", "5.0", [("UNIT007", "did you mean RestartSec=?")]),
    "in the wrong section": ("After=x.service", "5.0", [("UNIT007", None)]),
    "too new": ("ExecCondition=/bin/true", "3.0", [("UNIT008", "")]),
    "new enough": ("ExecCondition=/bin/true", "4.0", []),
    "another section": ("[Servize]\nUser=x", "5.0", [("UNIT006", None)]),
    "one's own section": ("[X-Mine]\nA=b", "5.0", []),
    "one's own key": ("X-Mine=b", "5.0", []),
    "a value over two lines": ("Environment=A=1 \\\n  B=2", "5.0", []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_base_ignores_in_a_unit_is_said(name: str) -> None:
    text, release, wanted = CASES[name]
    value = {"x.service": {"content": UNIT.format(text)}}
    faults = wish(units.FEATURE, value, facts=base(release)).faults
    assert [fault.code for fault in faults] == [code for code, _ in wanted]
    assert {fault.severity for fault in faults} <= {Severity.WARNING}
    for fault, (_, hint) in zip(faults, wanted, strict=True):
        assert hint is None or fault.hint == hint


def test_a_drop_in_is_read_for_its_unit() -> None:
    dropins = {"10-a.conf": "[Service]\nListenStream=80\n"}
    (fault,) = wish(units.FEATURE, {"x.service": {"dropins": dropins}}, facts=base("5.0")).faults
    assert (fault.code, fault.path) == ("UNIT007", ("x.service", "dropins", "10-a.conf"))
    assert (
        wish(units.FEATURE, {"x.socket": {"dropins": {"a.conf": "[Socket]\nBacklog=5\n"}}}).codes
        == []
    )


def base(release: str) -> Facts:
    """Return what is known of an appliance."""
    return facts_of(release, revision={"4.0": "Rev2"}.get(release, "GA"), image="ova")
