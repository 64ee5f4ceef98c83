"""Names what a partition holds when it is nothing that can be edited, by its magic bytes.

Sources: the superblock layouts of XFS (fs/xfs/libxfs/xfs_format.h), Btrfs (on-disk format,
wiki), LVM2 (label_header), LUKS (on-disk format 1.1 and 2), Linux swap (mm/swapfile.c),
md(4) superblocks 1.1 and 1.2, ZFS (on-disk format, uberblock), APFS (Apple File System
Reference, nx_superblock_t), F2FS, NTFS, exFAT, squashfs.
"""

from builder.errors import FormatError
from builder.formats.disk import Disk

_SIGNATURES: tuple[tuple[str, int, bytes], ...] = (
    ("XFS", 0, b"XFSB"),
    ("Btrfs", 0x10040, b"_BHRfS_M"),
    ("an LVM physical volume", 0x200, b"LABELONE"),
    ("an LVM physical volume", 0x0, b"LABELONE"),
    ("LUKS (encrypted)", 0, b"LUKS\xba\xbe"),
    ("swap", 4086, b"SWAPSPACE2"),
    ("F2FS", 0x400, b"\x10\x20\xf5\xf2"),
    ("NTFS", 3, b"NTFS    "),
    ("exFAT", 3, b"EXFAT   "),
    ("squashfs", 0, b"hsqs"),
    ("APFS", 32, b"NXSB"),
    ("a member of a Linux RAID", 0x1000, b"\xfc\x4e\x2b\xa9\1\0\0\0"),
    ("a member of a Linux RAID", 0, b"\xfc\x4e\x2b\xa9\1\0\0\0"),
    ("ZFS", 0x20000, b"\x0c\xb1\xba\0\0\0\0\0"),
)


def foreign_filesystem(disk: Disk, offset: int) -> str:
    """Return the name of what lies at ``offset`` bytes, empty when it is not known."""
    for name, position, magic in _SIGNATURES:
        try:
            if disk.read(offset + position, len(magic)) == magic:
                return name
        except FormatError:
            continue
    return ""
