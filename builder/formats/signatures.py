"""Names filesystems and volumes that cannot be edited, by their magic bytes.

Sources: the superblock layouts of XFS (fs/xfs/libxfs/xfs_format.h), Btrfs (on-disk format,
wiki), LVM2 (label_header), LUKS (on-disk format 1.1 and 2), Linux swap (mm/swapfile.c; its magic
ends the first page, whose size is the machine's), md(4) (superblocks 0.90 and 1.0 lie at the end:
drivers/md/md.c, ``super_90_rdev_size_change`` and ``super_1_load``), bcache
(include/uapi/linux/bcache.h), ZFS (see :mod:`builder.formats.zfs`), APFS (Apple File System
Reference, nx_superblock_t), F2FS, NTFS, exFAT, squashfs.
"""

from collections.abc import Iterator

from builder.errors import FormatError
from builder.formats.disk import KIB, SECTOR, Disk
from builder.formats.zfs import iter_labels

_RAID = "a member of a Linux RAID"
_RAID_1 = b"\xfc\x4e\x2b\xa9\1\0\0\0"
_RAID_090 = (b"\xfc\x4e\x2b\xa9\0\0\0\0\x5a\0\0\0", b"\xa9\x2b\x4e\xfc\0\0\0\0\0\0\0\x5a")
"""As machines of either byte order wrote it."""
_SIGNATURES: tuple[tuple[str, int, bytes], ...] = (
    (_RAID, 0x1000, _RAID_1),
    (_RAID, 0, _RAID_1),
    ("LUKS (encrypted)", 0, b"LUKS\xba\xbe"),
    *(("an LVM physical volume", sector * SECTOR, b"LABELONE") for sector in range(4)),
    ("a bcache device", 0x1018, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("XFS", 0, b"XFSB"),
    ("Btrfs", 0x10040, b"_BHRfS_M"),
    *(("swap", page * KIB - 10, b"SWAPSPACE2") for page in (4, 8, 16, 64)),
    ("F2FS", 0x400, b"\x10\x20\xf5\xf2"),
    ("NTFS", 3, b"NTFS    "),
    ("exFAT", 3, b"EXFAT   "),
    ("squashfs", 0, b"hsqs"),
    ("APFS", 32, b"NXSB"),
)


def foreign_filesystem(disk: Disk, offset: int, size: int) -> str:
    """Return the name of the content of ``size`` bytes at ``offset``; empty when unknown."""
    return next((name for name, _ in iter_signatures(disk, offset, size)), "")


def iter_signatures(disk: Disk, offset: int, size: int) -> Iterator[tuple[str, int]]:
    """Yield name and place of every signature in a range of a disk.

    Members of larger volumes come first; each name occurs once.
    """
    found: dict[str, int] = {}
    for name, place in _iter_all(disk, offset, size):
        found.setdefault(name, place)
    yield from found.items()


def _iter_all(disk: Disk, offset: int, size: int) -> Iterator[tuple[str, int]]:
    """Yield every signature of a run."""
    old = size - size % (64 * KIB) - 64 * KIB
    new = (size // SECTOR - 16) // 8 * 8 * SECTOR
    ends = [(_RAID, old, magic) for magic in _RAID_090] + [(_RAID, new, _RAID_1)]
    for place, pool in iter_labels(disk, offset, size):
        yield (f"a member of the ZFS pool {pool}" if pool else "a member of a ZFS pool"), place
    for name, position, magic in (*ends, *_SIGNATURES):
        if position >= 0 and _holds(disk, offset + position, magic):
            yield name, offset + position


def _holds(disk: Disk, place: int, magic: bytes) -> bool:
    """Return whether the disk has these bytes there."""
    try:
        return disk.read(place, len(magic)) == magic
    except FormatError:
        return False
