"""Which services a boot starts, as systemd's own test mode says it."""

from pathlib import Path
from typing import Any

import pytest

from builder.carriers.edit import edit
from builder.changes import InstallPackages, Remove, SetUnitState, UnitState
from builder.engine.memory import MemoryTree
from builder.engine.text import packages
from builder.facts import facts_of
from builder.features import Feature, services, ssh, units, users
from builder.guestpath import guest
from builder.plan import Step
from tests.support.boot_jobs import boot_jobs
from tests.support.judges import judge
from tests.support.photon_releases import RELEASES
from tests.support.photon_units import unit_tree
from tests.support.roots import link, materialise, merged_root, put, steps, text_of
from tests.support.tree import File, Link
from tests.support.wishes import wish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc0cGhvdG9uLWJ1aWxkZXItcXVpY2tzdGFydC1r a"


def base(release: str) -> MemoryTree:
    root = merged_root()
    for path, entry in unit_tree(RELEASES[release]).items():
        if isinstance(entry, File):
            put(root, path, entry.content.decode())
        elif isinstance(entry, Link):
            link(root, path, entry.target)
    put(root, "/etc/ssh/sshd_config", "#Port 22\n", 0o600)
    for name in ("ip4save", "ip6save"):
        put(root, f"/etc/systemd/scripts/{name}", "*filter\nCOMMIT\n")
    return root


def servers(root: MemoryTree, folder: Path) -> set[str]:
    """Return what would listen for ssh after a boot."""
    where = folder / f"boot-{len(list(folder.iterdir()))}"
    where.mkdir()
    materialise(root, where)
    return boot_jobs(where) & {"sshd.service", "sshd.socket"}


def apply(root: MemoryTree, feature: Feature, value: Any, **overlay: Any) -> None:  # noqa: ANN401 - any valid value
    found = wish(feature, value, release="5.0", overlay=overlay)
    assert found.codes == []
    edit(root, [Step(change, feature.key) for change in found.changes], 0)


def test_the_published_image_of_5_0_serves_ssh_by_its_socket(tmp_path: Path) -> None:
    assert servers(base("5.0"), tmp_path) == {"sshd.socket"}
    assert servers(base("4.0"), tmp_path) == {"sshd.service"}


ASKED = [
    (ssh.FEATURE, {"port": 2222}, {"sshd.service"}),
    (users.FEATURE, {"root": {"ssh_keys": [KEY]}}, {"sshd.service"}),
    (services.FEATURE, {"enable": ["sshd"]}, {"sshd.service"}),
    (services.FEATURE, {"disable": ["sshd"]}, set[str]()),
    (services.FEATURE, {"mask": ["sshd.service"]}, set[str]()),
    (services.FEATURE, {"disable": ["sshd"], "enable": ["sshd.socket"]}, {"sshd.socket"}),
    (units.FEATURE, {"sshd": {"enable": False}}, set[str]()),
]


@pytest.mark.parametrize("release", ["3.0", "4.0", "5.0"])
@pytest.mark.parametrize(("feature", "value", "running"), ASKED)
def test_a_boot_starts_the_ssh_server_that_was_asked_for(
    release: str, feature: Feature, value: object, running: set[str], tmp_path: Path
) -> None:
    root = base(release)
    apply(root, feature, value)
    assert servers(root, tmp_path) == running


def test_a_server_that_was_disabled_can_be_enabled_in_a_later_build(tmp_path: Path) -> None:
    root = base("5.0")
    apply(root, services.FEATURE, {"disable": ["sshd"]})
    apply(root, services.FEATURE, {"enable": ["sshd"]})
    assert servers(root, tmp_path) == {"sshd.service"}


def test_the_plan_tells_why_a_disabled_server_is_masked() -> None:
    found = wish(services.FEATURE, {"disable": ["sshd"]})
    assert found.units()["sshd.service"] == UnitState.MASKED
    assert any("cloud-init.service starts sshd.service" in reason for reason in found.reasons)
    assert any("systemctl unmask sshd" in reason for reason in found.reasons)
    keygen = wish(services.FEATURE, {"disable": ["sshd-keygen"]})
    assert keygen.units() == {"sshd-keygen.service": "masked"}


def test_a_board_without_cloud_init_disables_the_server_and_no_more(tmp_path: Path) -> None:
    facts = facts_of("5.0", image="rpi", arch="aarch64")
    found = wish(services.FEATURE, {"disable": ["sshd"]}, release="5.0", facts=facts)
    assert found.units() == {"sshd.service": "disabled", "sshd.socket": "disabled"}
    more = {"packages": ["cloud-init"]}
    brought = wish(services.FEATURE, {"disable": ["sshd"]}, facts=facts, overlay=more)
    assert brought.units()["sshd.service"] == "masked"
    root = base("5.0")
    link(root, "/etc/systemd/system/cloud-init.service", "/dev/null")
    edit(root, steps(*found.changes), 0)
    assert servers(root, tmp_path) == set()


def test_presets_keep_the_socket_down(tmp_path: Path) -> None:
    root = base("5.0")
    apply(root, ssh.FEATURE, {"port": 2222})
    assert "disable sshd.socket\n" in text_of(
        root, "/etc/systemd/system-preset/00-photon-builder.preset"
    )
    assert servers(root, tmp_path) == {"sshd.service"}


BROUGHT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
WAITING = (
    "[Unit]\nRequires=docker.service\nAfter=docker.service\n"
    "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
)


def jobs(root: MemoryTree, folder: Path) -> set[str]:
    """Return what a boot of a root would start."""
    where = folder / f"boot-{len(list(folder.iterdir()))}"
    where.mkdir()
    materialise(root, where)
    return boot_jobs(where)


def test_what_packages_bring_runs_by_itself_from_the_second_boot_on(tmp_path: Path) -> None:
    root = base("5.0")
    for name in ("docker.service", "docker.socket"):
        root.apply(Remove(guest(f"/usr/lib/systemd/system/{name}")))
    changes = (
        InstallPackages(("docker",)),
        SetUnitState("docker.service", UnitState.ENABLED),
        SetUnitState("app.service", UnitState.ENABLED),
    )
    put(root, "/etc/systemd/system/app.service", WAITING)
    edit(root, steps(*changes), 0)
    first = jobs(root, tmp_path)
    assert "photon-builder-packages.service" in first
    assert "docker.service" not in first
    # What the package and the script do: the unit, its link by the preset, and no list any more.
    put(root, "/usr/lib/systemd/system/docker.service", BROUGHT)
    where = tmp_path / "installed"
    where.mkdir()
    materialise(root, where)
    judge("systemctl", f"--root={where}", "preset", "docker.service")
    assert {"docker.service", "app.service"} <= boot_jobs(where)


def test_units_that_waited_for_packages_are_started_in_one_transaction(tmp_path: Path) -> None:
    root = base("5.0")
    put(root, "/usr/lib/systemd/system/docker.service", BROUGHT)
    put(root, "/etc/systemd/system/app.service", WAITING)
    target = "[Unit]\nWants=docker.service app.service\n"
    put(root, f"/etc/systemd/system/{packages.TARGET}", target)
    materialise(root, tmp_path)
    assert {"docker.service", "app.service"} <= boot_jobs(tmp_path, packages.TARGET)
