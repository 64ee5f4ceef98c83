"""The kickstart that an installer is given: JSON, which all of them read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from builder.errors import GuestError
from builder.guest.installer import Installer
from builder.guest.partitions import BOOTMODES, TOOLS, filesystems, iter_wrong, partition_mib

KERNELS = ("linux", "linux-esx", "linux-aws", "linux-secure", "linux-rt")
"""Packages of kernels, as the installers know them."""

_WITH_AB = "preinstall"
"""A key as old as the A/B partitions, which are no key of their own: POI 2.1."""

_WITH_LINKS = "disks"
"""A key as old as the following of links to a disk: POI 2.4."""

_WITH_LVM = "partition_type"
"""A key as old as logical volumes: 3.0 Rev2. The installer before ignores `lvm`."""

_EXPANDED = "_expanded.json"
"""End of the names of lists that Photon's build made of others: all that these require."""


def make_disk_keys(install: Mapping[str, Any], installer: Installer) -> dict[str, Any]:
    """Return the keys for what the spec's ``install`` section says.

    Raises:
        GuestError: the installer cannot do it.
    """
    keys = {key: install[key] for key in ("disk", "bootmode", "eject_cdrom") if key in install}
    _check_disk(install.get("disk", ""), installer)
    if "partitions" in install:
        _check_partitions(install["partitions"], installer)
        keys["partitions"] = [_partition(each, installer) for each in install["partitions"]]
    return {**keys, **_flavor(install.get("linux_flavor", ""), installer)}


def _check_disk(disk: str, installer: Installer) -> None:
    """Refuse a link to a disk where the installer would take it for the disk's own name."""
    if disk.startswith("/dev/disk/") and _WITH_LINKS not in installer.keys:
        raise GuestError(
            f"{installer.name} does not follow the link {disk}",
            code="INS007",
            hint="name the device itself, such as /dev/sda, or use an ISO with a newer installer",
        )


def _check_partitions(entries: Sequence[Mapping[str, Any]], installer: Installer) -> None:
    """Refuse what the installer would refuse, minutes later and on somebody's console."""
    for problem, _ in iter_wrong(entries):
        raise GuestError(problem, code="INS001", hint="see install.partitions in the spec")
    for kind in filesystems(entries):
        if kind in TOOLS and installer.filesystems and kind not in installer.filesystems:
            raise GuestError(
                f"the initrd of the medium has no mkfs.{kind}: the installation would fail after "
                "the disk was erased",
                code="INS009",
                hint="use ext4, or an ISO of Photon 5.0",
            )


def _partition(entry: Mapping[str, Any], installer: Installer) -> dict[str, Any]:
    """Return a partition in the installer's words; all but the newest want a filesystem."""
    if entry.get("ab") and _WITH_AB not in installer.keys:
        raise GuestError(
            f"{installer.name} makes no A/B partitions",
            code="INS002",
            hint="use an ISO of Photon 5.0, or drop `ab`",
        )
    if "lvm" in entry and _WITH_LVM not in installer.keys:
        raise GuestError(
            f"{installer.name} makes no logical volumes",
            code="INS011",
            hint="use a newer ISO, or drop `lvm`",
        )
    keys = {key: value for key, value in entry.items() if key != "mountpoint" or value}
    return {"filesystem": "ext4", **keys, "size": partition_mib(entry)}


def _flavor(flavor: str, installer: Installer) -> dict[str, Any]:
    """Return the key that chooses the kernel, in the words of an installer."""
    if not flavor or installer.names_kernel:
        return {"linux_flavor": flavor} if flavor else {}
    if "install_linux_esx" in installer.keys and flavor in {"linux", "linux-esx"}:
        return {"install_linux_esx": flavor == "linux-esx"}
    raise GuestError(
        f"{installer.name} cannot choose the kernel {flavor}",
        code="INS003",
        hint="use linux or linux-esx, or a newer ISO",
    )


def make_package_keys(
    install: Mapping[str, Any], packages: Sequence[str], installer: Installer
) -> dict[str, Any]:
    """Return the keys for what is installed: the list of the medium, and what it lacks.

    An installer with a key for the kernel removes the others from its list and adds nothing, so
    the kernel is named too. Older ones leave two kernels where the list has another one: there
    the list is spelled out without it.

    Args:
        install: The spec's ``install`` section, with its defaults.
        packages: Names of further packages.
        installer: The installer of the medium.

    Raises:
        GuestError: the medium has no such list.
    """
    chosen, flavor = install["package_list"], install["linux_flavor"]
    if installer.package_lists and chosen not in installer.package_lists:
        there = ", ".join(name for name in installer.package_lists if not name.endswith(_EXPANDED))
        raise GuestError(
            f"{installer.name} has no package list {chosen}; it has {there}",
            code="INS005",
            hint="name one of them under install.package_list",
        )
    tools = [TOOLS[kind] for kind in filesystems(install.get("partitions", ())) if kind in TOOLS]
    names = {*packages, *tools}
    if installer.names_kernel:
        return {"packagelist_file": chosen, "additional_packages": sorted({*names, flavor})}
    listed = installer.listed.get(chosen, ())
    others = set(KERNELS) - {flavor}
    if others.isdisjoint(listed):
        return {"packagelist_file": chosen, "additional_packages": sorted(names)}
    return {"additional_packages": sorted({*names, *listed} - others)}


def default_bootmode(arch: str, installer: Installer) -> dict[str, str]:
    """Return the boot mode to write when the spec has none: the installers' defaults differ."""
    known = BOOTMODES.get(arch)
    return {"bootmode": known[0]} if known and "bootmode" in installer.keys else {}


def check_bootmode(bootmode: str, arch: str) -> None:
    """Refuse a boot mode that the architecture does not have.

    Raises:
        GuestError: the installer would stop.
    """
    known = BOOTMODES.get(arch)
    if bootmode and known and bootmode not in known:
        raise GuestError(
            f"an {arch} machine does not start by {bootmode}; wanted {' or '.join(known)}",
            code="INS008",
            hint=f"write bootmode: {known[0]}, or drop it",
        )


def format_kickstart(keys: Mapping[str, Any], installer: Installer) -> str:
    """Return the kickstart's text.

    Raises:
        GuestError: it has a key that the installer would refuse or ignore.
    """
    unknown = sorted(keys.keys() - installer.keys)
    if unknown:
        raise GuestError(
            f"{installer.name} does not know the kickstart key {', '.join(unknown)}",
            code="INS004",
            hint="drop what asks for it from `install`, or use a newer ISO",
        )
    return json.dumps(keys, indent=2, sort_keys=True) + "\n"
