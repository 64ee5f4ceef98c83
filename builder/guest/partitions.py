"""Partitions that Photon's installers make: what is wrong with a list, and what they need.

Source: ``_check_install_config`` of photon-os-installer 1.0 to 2.9 and of the installers in
Photon's own tree, 3.0 Rev2 to Rev3. An installer says the same, minutes later and on the console
of the machine; some have erased the disk by then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from builder.errors import KeyPath
from builder.sizes import mib_of

SWAP = "swap"

TOOLS: Mapping[str, str] = {"xfs": "xfsprogs", "btrfs": "btrfs-progs"}
"""Filesystem to the package that checks and repairs it, of those that need one of their own."""

BOOTMODES: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("dualboot", "efi", "bios"),
    "aarch64": ("efi",),
}
"""Architecture to the boot modes that it has, the default first."""


def iter_wrong(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, KeyPath]]:
    """Yield what is wrong with the partitions of ``install``, and where below ``partitions``."""
    points = [entry.get("mountpoint", "") for entry in entries]
    rest = [entry for entry in entries if not partition_mib(entry)]
    if "/" not in points:
        yield "no partition is mounted at /", ()
    if len(rest) != 1:
        yield f"{len(rest)} partitions take the rest of the disk; wanted one", ()
    for at, (entry, point) in enumerate(zip(entries, points, strict=True)):
        yield from _wrong_point(entry, point, at)
        if point and point in points[:at]:
            yield f"two partitions are mounted at the same place, {point}", (at, "mountpoint")
        if point == "/boot" and "lvm" in entry:
            yield "/boot lies on a logical volume, where no boot loader finds it", (at, "lvm")
        if point == "/boot/efi" and entry.get("filesystem") != "vfat":
            yield "/boot/efi is not vfat, so no firmware finds a boot loader there", (at,)
        if entry.get("ab") and "lvm" in entry:
            yield "`ab` and `lvm` exclude each other: no installer makes a volume twice", (at, "ab")


def _wrong_point(entry: Mapping[str, Any], point: str, at: int) -> Iterator[tuple[str, KeyPath]]:
    """Yield what is wrong with where one partition is mounted: swap nowhere, all others somewhere.

    Installers look at the mount point of all others after the disk was erased, and at that of
    swap only when they make it twice.
    """
    is_swap = entry.get("filesystem") == SWAP
    if is_swap and point:
        yield f"swap is not mounted: found the mount point {point}", (at, "mountpoint")
    if is_swap and entry.get("ab"):
        yield "`ab` is for filesystems: no installer makes swap twice", (at, "ab")
    if not is_swap and not point:
        yield "`mountpoint` is missing; only a partition with `filesystem: swap` has none", (at,)


def partition_mib(entry: Mapping[str, Any]) -> int:
    """Return the size of a partition in MiB; zero is the rest of the disk."""
    return mib_of(entry.get("size", 0), "M")


def filesystems(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the filesystem of each partition."""
    return [entry.get("filesystem", "ext4") for entry in entries]
