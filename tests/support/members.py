"""What marks a disk as part of something larger: superblocks of md(4) and the labels of ZFS.

The superblocks are laid by hand, as the kernel's ``include/uapi/linux/raid/md_p.h`` has them,
because mdadm makes none without a kernel that has arrays. The label is that of a real pool, made
with ``zpool create -O mountpoint=none tank FILE`` of zfs-fuse 0.7.0: its first 256 KiB.
"""

import lzma
import struct
from collections.abc import Callable
from pathlib import Path

from builder.formats.disk import KIB

_MAGIC = 0xA92B4EFC
_FIXTURES = Path(__file__).parents[1] / "formats/fixtures"
LABEL = 256 * KIB

RAID_PLACES: dict[str, Callable[[int], int]] = {
    "0.90": lambda size: (size & ~0xFFFF) - 64 * KIB,
    "1.0": lambda size: (size // 512 - 16) // 8 * 8 * 512,
    "1.1": lambda _: 0,
    "1.2": lambda _: 4 * KIB,
}
"""Version of the metadata to its place on a member of some size."""


def lay_raid(path: Path, version: str, size: int, *, at: int = 0, order: str = "<") -> None:
    """Make ``size`` bytes at ``at`` a member of a mirror of two."""
    place = RAID_PLACES[version](size)
    if version == "0.90":
        words = [_MAGIC, 0, 90, 0, 0, 0x1234, 1, 1, (place // KIB), 2, 2, 9, 0, 5, 6, 7]
        block = struct.pack(f"{order}16I", *words).ljust(4 * KIB, b"\0")
    else:
        block = struct.pack("<4I16s32sQIIQ2I", _MAGIC, 1, 0, 0, b"u" * 16, b"host:9", 1, 1, 0,
                            2048, 0, 2)  # fmt: skip
        block = block.ljust(128, b"\0") + struct.pack("<3Q", 2048, 2048, place // 512)
    with path.open("r+b") as stream:
        stream.seek(at + place)
        stream.write(block)


def zfs_label() -> bytes:
    """Return a label of the pool ``tank``."""
    return lzma.decompress((_FIXTURES / "zfs-label.xz").read_bytes())


def label_places(size: int) -> tuple[int, ...]:
    """Return where a member of some size has its labels."""
    end = size - size % LABEL
    return 0, LABEL, end - 2 * LABEL, end - LABEL


def lay_label(path: Path, place: int) -> None:
    """Write one label."""
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(zfs_label())
