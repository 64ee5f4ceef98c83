"""What ``check`` says of installation media, without one."""

from pathlib import Path

import pytest

from builder import rules, targets
from builder.errors import Diagnostic, Severity
from builder.facts import Facts, facts_of
from builder.facts.kernels import has_kernel_names
from builder.spec import load_spec

OF_MEDIA = {
    *("INS001", "INS002", "INS003", "INS007", "INS008", "INS009", "INS010", "INS011", "INS012"),
    *("OUT006", "NET018", "CFG005"),
}
"""Rules that the tests of this module break."""

LOGIN = "users: {root: {password: {random: true}}}"


def base(release: str, revision: str, arch: str = "x86_64", image: str = "iso-minimal") -> Facts:
    """Return what is known of a medium."""
    return facts_of(release, revision=revision, image=image, arch=arch)


def check(
    folder: Path, install: str, facts: Facts | None = None, *, target: str = "iso"
) -> tuple[Diagnostic, ...]:
    """Return what the rules say of an ``install`` section; its value is on line 4."""
    path = folder / "edge.yaml"
    head = f"version: 1\ntarget: {target}\nbase: {{sample: true}}\n"
    path.write_text(f"{head}install: {install}\noverlay:\n  {LOGIN}\n")
    spec = load_spec(path, targets=targets.discover())
    return rules.check_rules(spec, {target: facts} if facts else {})


def rows(problems: tuple[Diagnostic, ...]) -> list[tuple[str, int, int]]:
    """Return code, line and column of each problem."""
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


PARTITIONS = {
    "no root": ("[{mountpoint: /var}]", 39),
    "one place twice": ("[{mountpoint: /, size: 99}, {mountpoint: /}]", 80),
    "A/B on a volume": (
        "[{mountpoint: /, ab: true, lvm: {vg_name: v, lv_name: l}}]",
        60,
    ),
    "an ESP of ext4": ("[{mountpoint: /}, {mountpoint: /boot/efi, size: 9}]", 57),
}


@pytest.mark.parametrize("case", PARTITIONS.values(), ids=PARTITIONS)
def test_partitions_that_no_installer_makes_are_refused_before_a_download(
    case: tuple[str, int], tmp_path: Path
) -> None:
    partitions, column = case
    found = check(tmp_path, f"{{disk: /dev/sda, partitions: {partitions}}}")
    assert rows(found) == [("INS001", 4, column)]


def test_partitions_that_can_be_made_are_not_mentioned(tmp_path: Path) -> None:
    partitions = "[{mountpoint: /boot, size: 512}, {mountpoint: /, ab: true}]"
    assert rows(check(tmp_path, f"{{disk: /dev/sda, partitions: {partitions}}}")) == []


XFS = "{disk: /dev/sda, partitions: [{mountpoint: /, filesystem: xfs}]}"
AB = "{disk: /dev/sda, partitions: [{mountpoint: /, ab: true}]}"
LVM = "{disk: /dev/sda, partitions: [{mountpoint: /, lvm: {vg_name: v, lv_name: l}}]}"
LINK = "{disk: /dev/disk/by-id/x}"
VIRTIO = "{disk: /dev/vda, linux_flavor: linux-esx}"
BY_BASE = {
    "XFS of 4.0": (XFS, base("4.0", "Rev2"), "INS009", base("5.0", "GA")),
    "A/B of 4.0": (AB, base("4.0", "Rev2"), "INS002", base("5.0", "GA")),
    "LVM of 3.0 GA": (LVM, base("3.0", "GA"), "INS011", base("3.0", "Rev2")),
    "a link of 5.0 GA": (LINK, base("5.0", "GA"), "INS007", None),
    "bios of ARM": (
        "{disk: /dev/sda, bootmode: bios}",
        base("5.0", "GA", "aarch64"),
        "INS008",
        base("5.0", "GA"),
    ),
    "linux-rt of Rev2": (
        "{disk: /dev/sda, linux_flavor: linux-secure}",
        base("3.0", "Rev2"),
        "INS003",
        base("3.0", "Rev2 Update3"),
    ),
    "linux-aws of 5.0": (
        "{disk: /dev/sda, linux_flavor: linux-aws}",
        base("5.0", "GA"),
        "INS012",
        base("4.0", "Rev2"),
    ),
    "linux-esx of 4.0 for ARM": (
        "{disk: /dev/sda, linux_flavor: linux-esx}",
        base("4.0", "Rev2", "aarch64"),
        "INS012",
        base("5.0", "GA", "aarch64"),
    ),
    "virtio of linux-esx": (VIRTIO, base("5.0", "GA"), "INS010", None),
    "virtio of linux-rt": (
        VIRTIO.replace("esx", "rt"),
        base("4.0", "Rev2", image="rt-iso"),
        "INS010",
        None,
    ),
}


@pytest.mark.parametrize("case", BY_BASE.values(), ids=BY_BASE)
def test_what_the_installer_of_a_base_cannot_do_is_refused_before_a_download(
    case: tuple[str, Facts, str, Facts | None], tmp_path: Path
) -> None:
    install, bad, code, good = case
    assert [p.code for p in check(tmp_path, install, bad)] == [code]
    assert check(tmp_path, install, good) == ()


def test_the_kernel_that_sees_the_disk_is_named(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, VIRTIO, base("5.0", "GA"))
    assert problem.hint == "write linux_flavor: linux or linux-secure"
    assert check(tmp_path, VIRTIO.replace("linux-esx", "linux"), base("5.0", "GA")) == ()
    assert check(tmp_path, VIRTIO.replace("vda", "nvme0n1"), base("5.0", "GA")) == ()


def test_the_kernels_of_a_minimal_medium_are_few(tmp_path: Path) -> None:
    install = "{disk: /dev/sda, linux_flavor: linux-secure}"
    assert check(tmp_path, install, base("5.0", "GA")) == ()
    (problem,) = check(tmp_path, install, base("5.0", "GA"), target="minimal-iso")
    assert (problem.code, problem.hint) == ("INS012", "use the full ISO, or one of these kernels")


def test_nothing_is_said_of_a_base_that_is_not_known(tmp_path: Path) -> None:
    unknown = facts_of("6.0", image="iso-minimal")
    for install in (XFS, AB, LVM, LINK, VIRTIO):
        assert {p.code for p in check(tmp_path, install, unknown)} <= {"BASE008"}


SECURE = {
    "{secure_boot: true}": ["OUT006"],
    "{secure_boot: true, firmware: bios}": ["OUT006"],
    "{secure_boot: true, firmware: efi}": [],
    "{secure_boot: false}": [],
}


@pytest.mark.parametrize("output", SECURE)
def test_secure_boot_wants_uefi(output: str, tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    top = f"version: 1\ntarget: ova\nbase: {{sample: true}}\noutput: {output}\n"
    path.write_text(f"{top}overlay:\n  {LOGIN}\n")
    spec = load_spec(path, targets=targets.discover())
    found = rules.check_rules(spec, {"ova": base("5.0", "GA", image="ova")})
    assert [problem.code for problem in found] == SECURE[output]


def check_overlay(folder: Path, overlay: str, bases: dict[str, Facts]) -> tuple[Diagnostic, ...]:
    """Return what the rules say of an overlay."""
    path = folder / "lab.yaml"
    named = f"targets: [{', '.join(bases)}]\nbase: {{sample: true}}\n"
    path.write_text(f"version: 1\n{named}overlay:\n  {LOGIN}\n  {overlay}\n")
    spec = load_spec(path, targets=targets.discover())
    return rules.check_rules(spec, bases)


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("dtoverlay=i2c-rtc,ds3231", ["CFG005"]),
        ("dtoverlay=i2c-rtc,ds3231,wakeup-source", ["CFG005"]),
        ("dtoverlay=w1-gpio,gpiopin=4", ["CFG005"]),
        ("dtoverlay=disable-bt", []),
        ("dtparam=i2c_arm=on", []),
    ],
)
def test_an_overlay_of_a_board_wants_a_driver(line: str, codes: list[str], tmp_path: Path) -> None:
    boards = {"rpi3": base("5.0", "GA", "aarch64", "rpi")}
    found = check_overlay(tmp_path, f"config_txt: {{all: {{add: ['{line}']}}}}", boards)
    assert [problem.code for problem in found] == codes


NETWORK = "network: {KEY: {dhcp: 'yes'}}"
INTERFACES = {
    "the name of a slot": (NETWORK.replace("KEY", "ens192"), ["NET018"]),
    "of a bus": (NETWORK.replace("KEY", "enp3s0"), ["NET018"]),
    "the name that it has": (NETWORK.replace("KEY", "eth0"), []),
    "a bridge": (NETWORK.replace("KEY", "br0"), []),
    "by a match": ("network: {lan: {match: {name: eno1}, dhcp: 'yes'}}", ["NET018"]),
    "by its address": ("network: {ens192: {match: {mac: '00:50:56:00:00:01'}, dhcp: 'yes'}}", []),
    "another kernel's way": (
        f"{NETWORK.replace('KEY', 'ens192')}\n  kernel: {{remove: [net.ifnames=0]}}",
        [],
    ),
    "a file that renames": (
        NETWORK.replace("KEY", "ens192")
        + "\n  files: [{path: /etc/systemd/network/10-lan.link, content: x}]",
        [],
    ),
}


@pytest.mark.parametrize("case", INTERFACES.values(), ids=INTERFACES)
def test_an_interface_is_called_as_photon_calls_it(
    case: tuple[str, list[str]], tmp_path: Path
) -> None:
    overlay, codes = case
    found = check_overlay(tmp_path, overlay, {"ova": base("5.0", "GA", image="ova")})
    assert [problem.code for problem in found] == codes
    assert {problem.hint.partition(",")[0] for problem in found} <= {"write eth0"}


def test_clouds_that_name_interfaces_themselves_are_left_alone(tmp_path: Path) -> None:
    facts = base("5.0", "GA", image="gce")
    found = check_overlay(tmp_path, NETWORK.replace("KEY", "ens4"), {"gce": facts})
    assert "NET018" not in [problem.code for problem in found]
    assert not has_kernel_names(facts.image, facts.revision)


def test_an_unknown_base_gets_a_warning_only(tmp_path: Path) -> None:
    overlay = NETWORK.replace("KEY", "ens192")
    found = check_overlay(tmp_path, overlay, {"ova": facts_of("5.0", image="ova")})
    severities = [p.severity for p in found if p.code == "NET018"]
    assert severities == [Severity.WARNING]
