"""Kernel modules and parameters: what a base has of them, and what was meant."""

import subprocess
from pathlib import Path

import pytest

from builder.carriers.edit import operations
from builder.changes import EnsureLine, RequireModule
from builder.engine.text.kernel_modules import module_names
from builder.errors import GuestError, Severity
from builder.facts import facts_of
from builder.features import modules, sysctl
from builder.guest.sysctl_names import is_number, known_names, plain_name
from tests.support.judges import judge, require
from tests.support.roots import make, merged_root, put, steps
from tests.support.wishes import wish

FOLDER = "/usr/lib/modules/6.1.10-10.ph5-esx"
LISTS = {
    "modules.dep": (
        "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n"
        "kernel/net/bridge/bridge.ko.xz:\nkernel/drivers/net/dm-x.ko:\n"
    ),
    "modules.builtin": "kernel/fs/ext4/ext4.ko\n",
    "modules.alias": "# Aliases\nalias ip_conntrack nf_conntrack\nalias pci:v0000* vmxnet3\n",
}
HAS = ("br_netfilter", "bridge", "dm-x", "dm_x", "ext4", "ip_conntrack")


@pytest.mark.parametrize("name", HAS)
def test_a_module_of_the_base_is_found(name: str) -> None:
    root = merged_root()
    for file, text in LISTS.items():
        put(root, f"{FOLDER}/{file}", text)
    assert operations(root, steps(RequireModule(name)), 0) == []


@pytest.mark.parametrize("name", ["br_netfiler", "wireguard", "ko"])
def test_a_module_that_the_base_lacks_is_named(name: str) -> None:
    root = merged_root()
    for file, text in LISTS.items():
        put(root, f"{FOLDER}/{file}", text)
    with pytest.raises(GuestError, match=f"has no module {name}") as caught:
        operations(root, steps(RequireModule(name)), 0)
    assert caught.value.code == "MOD001"


def test_a_base_without_lists_says_nothing() -> None:
    root = merged_root()
    assert operations(root, steps(RequireModule("x")), 0) == []
    make(root, FOLDER)
    assert operations(root, steps(RequireModule("x")), 0) == []


def test_the_names_are_those_of_modprobe(tmp_path: Path) -> None:
    folder = tmp_path / "lib/modules/1.0"
    folder.mkdir(parents=True)
    for name in ("modules.order", "modules.builtin"):
        (folder / name).write_text("kernel/fs/ext4/ext4.ko\n" if "built" in name else "")
    judge("depmod", "-b", tmp_path, "1.0")
    builtin = (folder / "modules.builtin").read_text()
    for name in module_names(builtin):
        told = judge("modprobe", "-d", tmp_path, "-S", "1.0", "-n", name, check=False)
        assert told.returncode == 0, told.stderr
    told = judge("modprobe", "-d", tmp_path, "-S", "1.0", "-n", "no_such", check=False)
    assert told.returncode != 0


BASES = {
    ("wireguard", "3.0", "Rev2"): ["MOD001"],
    ("wireguard", "5.0", "GA"): [],
    ("bonding", "4.0", "GA"): ["MOD001"],
    ("bonding", "4.0", "Rev2"): [],
    ("br-netfilter", "3.0", "Rev2"): [],
    ("br_netfiler", "5.0", "GA"): ["MOD002"],
    ("some_driver_of_mine", "5.0", "GA"): [],
}


@pytest.mark.parametrize("case", BASES)
def test_modules_that_a_published_base_lacks_are_refused(case: tuple[str, str, str]) -> None:
    name, release, revision = case
    facts = facts_of(release, revision=revision, image="ova")
    found = wish(modules.FEATURE, {"load": [name]}, facts=facts)
    assert found.codes == BASES[case]
    assert RequireModule(name) in found.changes


def test_packages_may_bring_a_module() -> None:
    facts = facts_of("3.0", revision="Rev2", image="ova")
    overlay = {"packages": ["linux-drivers-gpu"]}
    found = wish(modules.FEATURE, {"load": ["wireguard"]}, facts=facts, overlay=overlay)
    assert found.codes == []
    assert not [change for change in found.changes if isinstance(change, RequireModule)]


def test_an_unknown_base_is_asked_when_it_is_opened() -> None:
    found = wish(modules.FEATURE, {"load": ["wireguard"]})
    assert found.codes == []
    assert RequireModule("wireguard") in found.changes


PARAMETERS = {
    ("net.ipv4.ip_forward", 1): [],
    ("net.ipv4.ip_forward", "yes"): [("CTL002", "write 1")],
    ("net/ipv4/ip_forward", "off"): [("CTL002", "write 0")],
    ("net.ipv4.conf.eth0/100.rp_filter", "1"): [],
    ("-net.ipv4.conf.all.rp_filter", "true"): [("CTL002", "write 1")],
    ("net.ipv4.ip_foward", 1): [("CTL001", "did you mean net.ipv4.ip_forward?")],
    ("vm.swapines", 10): [("CTL001", "did you mean vm.swappiness?")],
    ("net.ipv4.tcp_congestion_control", "bbr"): [],
    ("kernel.printk", "4 4 1 7"): [],
    ("kernel.printk_devkmsg", "on"): [],
    ("kernel.mine.own", "yes"): [],
    ("net.ipv4.conf.*.rp_filter", 1): [],
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_parameter_is_one_that_the_kernel_takes(case: tuple[str, str | int]) -> None:
    key, value = case
    faults = wish(sysctl.FEATURE, {key: value}).faults
    assert [(fault.code, fault.hint) for fault in faults] == PARAMETERS[case]
    assert all((fault.severity is Severity.ERROR) == (fault.code == "CTL002") for fault in faults)


@pytest.mark.parametrize(("value", "taken"), [("yes", False), ("true", False), ("1", True)])
def test_the_kernel_itself_agrees(value: str, taken: bool) -> None:
    told = subprocess.run(
        [require("unshare"), "-n", "sh", "-c", f"echo {value} >/proc/sys/net/ipv4/ip_forward"],
        capture_output=True,
        check=False,
    )
    if b"Operation not permitted" in told.stderr or b"Read-only" in told.stderr:
        pytest.skip("no network namespace here")
    assert (told.returncode == 0) is taken is is_number(value)


def test_the_parameters_of_this_kernel_have_their_names() -> None:
    for name in ("net.ipv4.ip_forward", "vm.swappiness", "net.ipv4.conf.all.rp_filter"):
        assert Path("/proc/sys", *name.split(".")).exists()
        assert plain_name(name) in known_names()


def test_a_line_is_written_whatever_is_said_of_it() -> None:
    found = wish(sysctl.FEATURE, {"net.ipv4.ip_foward": 1})
    assert [c.line for c in found.changes if isinstance(c, EnsureLine) and c.path == sysctl.FILE]


@pytest.mark.parametrize(("name", "codes"), [("zram", []), ("wireguard", ["MOD001"])])
def test_a_medium_has_more_than_one_kernel(name: str, codes: list[str]) -> None:
    facts = facts_of("3.0", revision="Rev3 Update1", image="iso-minimal")
    assert wish(modules.FEATURE, {"load": [name]}, facts=facts).codes == codes
