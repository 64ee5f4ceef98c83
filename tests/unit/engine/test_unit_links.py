"""Unit states: the links and presets that the real systemctl makes."""

from pathlib import Path

import pytest

from builder.carriers.edit import edit
from builder.changes import SetUnitState, UnitState
from builder.engine.memory import MemoryTree
from builder.errors import GuestError
from builder.guestpath import guest
from tests.support.judges import judge
from tests.support.roots import link, materialise, merged_root, put, steps, text_of, walk

UNITS = {
    "docker.service": "[Unit]\nRequires=docker.socket\n[Install]\nWantedBy=multi-user.target\n",
    "docker.socket": "[Install]\nWantedBy=sockets.target\n",
    "agent.service": (
        "[Install]\nWantedBy=multi-user.target\nAlias=helper.service\nAlso=docker.socket\n"
    ),
    "both.service": "[Install]\nRequiredBy=a.target b.target\nWantedBy=c.target\n",
    "app@.service": "[Install]\nWantedBy=multi-user.target\nDefaultInstance=main\n",
    "plain@.service": "[Install]\nWantedBy=%i.target\n",
    "continued.service": "[Install]\nWantedBy=one.target \\\n  two.target\n",
    "static.service": "[Service]\nExecStart=/bin/true\n",
}
ENABLED, DISABLED, MASKED = UnitState.ENABLED, UnitState.DISABLED, UnitState.MASKED
STATE_DIRECTORY = "/etc/systemd/system"


def base() -> MemoryTree:
    root = merged_root()
    for name, text in UNITS.items():
        put(root, f"/usr/lib/systemd/system/{name}", text)
    link(root, "/usr/lib/systemd/system/old-name.service", "docker.service")
    put(root, f"{STATE_DIRECTORY}/keep", "")
    return root


def links(root: MemoryTree) -> dict[str, str]:
    return {
        path: content
        for path, (kind, _, _, _, content) in walk(root, guest(STATE_DIRECTORY)).items()
        if kind == "symlink"
    }


def links_on_disk(directory: Path) -> dict[str, str]:
    """Return the links that systemctl made; Debian's has the name of /usr/lib before the merge."""
    below = directory / STATE_DIRECTORY.lstrip("/")
    return {
        f"/{path.relative_to(directory)}": str(path.readlink()).replace("/lib/", "/usr/lib/", 1)
        if str(path.readlink()).startswith("/lib/")
        else str(path.readlink())
        for path in below.rglob("*")
        if path.is_symlink()
    }


CASES = [
    (("enable", "docker.service"),),
    (("enable", "agent.service"),),
    (("enable", "both.service"),),
    (("enable", "app@web.service"),),
    (("enable", "app@.service"),),
    (("enable", "plain@site.service"),),
    (("enable", "continued.service"),),
    (("enable", "old-name.service"),),
    (("enable", "agent.service"), ("disable", "agent.service")),
    (("enable", "app@a.service"), ("enable", "app@b.service"), ("disable", "app@a.service")),
    (("enable", "app@a.service"), ("disable", "app@.service")),
    (("mask", "docker.service"),),
    (("mask", "old-name.service"),),
    (("enable", "docker.service"), ("disable", "old-name.service")),
    (("mask", "docker.service"), ("unmask", "docker.service"), ("enable", "docker.service")),
]
STATES = {"enable": ENABLED, "disable": DISABLED, "mask": MASKED}


@pytest.mark.parametrize("verbs", CASES, ids=lambda verbs: " ".join(" ".join(v) for v in verbs))
def test_the_links_are_those_that_systemctl_makes(
    verbs: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    root = base()
    materialise(root, tmp_path)
    for verb, unit in verbs:
        judge("systemctl", f"--root={tmp_path}", verb, unit)
        if verb in STATES:
            edit(root, steps(SetUnitState(unit, STATES[verb])), 0)
    assert links(root) == links_on_disk(tmp_path)


@pytest.mark.parametrize("state", list(UnitState))
def test_the_preset_says_the_same_as_the_links(state: UnitState, tmp_path: Path) -> None:
    root = base()
    edit(root, steps(SetUnitState("docker.service", state)), 0)
    before = links(root)
    materialise(root, tmp_path)
    if state is not MASKED:
        judge("systemctl", f"--root={tmp_path}", "preset", "docker.service")
    assert links_on_disk(tmp_path) == before


def test_a_unit_that_the_vendor_pulls_in_is_disabled_all_the_same() -> None:
    root = base()
    wants = "/usr/lib/systemd/system/multi-user.target.wants/docker.service"
    link(root, wants, "../docker.service")
    edit(root, steps(SetUnitState("docker.service", DISABLED)), 0)
    assert wants not in walk(root)


def test_enabling_a_masked_unit_unmasks_it() -> None:
    root = base()
    edit(root, steps(SetUnitState("docker.service", MASKED)), 0)
    edit(root, steps(SetUnitState("docker.service", ENABLED)), 0)
    assert f"{STATE_DIRECTORY}/docker.service" not in links(root)


def test_a_unit_that_the_base_lacks_is_an_error_with_its_code() -> None:
    with pytest.raises(GuestError, match="no cron.service: the package cronie") as caught:
        edit(base(), steps(SetUnitState("cron.service", ENABLED)), 0)
    assert caught.value.code == "SVC001"


def test_a_unit_that_may_be_absent_is_passed_over() -> None:
    assert edit(base(), steps(SetUnitState("cron.service", ENABLED, if_present=True)), 0) == []


def test_a_unit_without_install_section_cannot_be_enabled() -> None:
    with pytest.raises(GuestError, match="no .Install. section"):
        edit(base(), steps(SetUnitState("static.service", ENABLED)), 0)


def test_instances_of_a_template_share_a_preset_line() -> None:
    root = base()
    edit(root, steps(*(SetUnitState(f"app@{name}.service", ENABLED) for name in "ab")), 0)
    assert text_of(root, "/etc/systemd/system-preset/00-photon-builder.preset") == (
        "enable app@.service a b\n"
    )
