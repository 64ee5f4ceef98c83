"""The partitions of a disk, whichever table it has.

Does not read disks without a table: a filesystem that begins at byte 0 is named and refused.
"""

from builder.errors import FormatError
from builder.formats.disk import SECTOR, Disk, Partition
from builder.formats.gpt import LARGE_SECTOR, check_gpt, is_gpt, large_sectors, read_gpt
from builder.formats.mbr import (
    entries_in_use,
    has_boot_signature,
    has_plausible_entries,
    is_protective,
    read_mbr,
)
from builder.formats.signatures import foreign_filesystem

_FAT_NAMES = ((54, b"FAT12   "), (54, b"FAT16   "), (82, b"FAT32   "))
_EXT_MAGIC = (0x438, b"\x53\xef")
_HINT = "use the image of a whole disk, with a GPT or an MBR"


def read_partitions(disk: Disk) -> tuple[Partition, ...]:
    """Return the partitions of a disk, by number.

    Raises:
        FormatError: the table is damaged, or missing.
    """
    if disk.size < SECTOR:
        raise FormatError(f"a disk of {disk.size} bytes has no partition table", hint=_HINT)
    sector = disk.read(0, SECTOR)
    if has_boot_signature(sector) and is_protective(sector):
        return read_gpt(disk)
    found = describe_other(disk, sector)
    if found:
        raise FormatError(f"the disk has no partition table: {found}", hint=_HINT)
    if _has_large_sectors(disk, sector):
        raise large_sectors("MBR")
    return read_mbr(disk)


def check_partitions(disk: Disk) -> None:
    """Refuse a disk whose partition table, or the copy of it at the end, is damaged.

    Raises:
        FormatError: one of the tables is damaged.
    """
    read_partitions(disk)
    if is_gpt(disk):
        check_gpt(disk)


def describe_other(disk: Disk, sector: bytes) -> str:
    """Return what a disk holds instead of an MBR in its first sector; empty when it has one."""
    if is_gpt(disk):
        return "there is a GPT, but no protective MBR before it"
    if any(sector[at : at + len(name)] == name for at, name in _FAT_NAMES):
        return "it holds a bare FAT filesystem"
    if has_boot_signature(sector) and has_plausible_entries(sector):
        return ""
    if _holds(disk, *_EXT_MAGIC):
        return "it holds a bare ext2, ext3 or ext4 filesystem"
    if _holds(disk, 0x8001, b"CD001"):
        return "it holds an ISO 9660 filesystem"
    if foreign := foreign_filesystem(disk, 0, disk.size):
        return f"it holds {foreign}"
    return "its first sector is empty" if not any(sector) else "its first sector is not an MBR"


def _has_large_sectors(disk: Disk, sector: bytes) -> bool:
    """Return whether an MBR counts sectors of 4096 bytes, by where filesystems begin.

    Looked at first, because such a table leads to chains and contents that are not there.
    """
    return not _leads(disk, sector, SECTOR) and _leads(disk, sector, LARGE_SECTOR)


def _leads(disk: Disk, sector: bytes, unit: int) -> bool:
    """Return whether a table in units of bytes leads to something that is known."""
    return any(
        _is_known(disk, first * unit, count * unit) for first, count in entries_in_use(sector)
    )


def _is_known(disk: Disk, offset: int, size: int) -> bool:
    """Return whether a filesystem, or something else that is known, begins at a byte."""
    if _holds(disk, offset + _EXT_MAGIC[0], _EXT_MAGIC[1]):
        return True
    if any(_holds(disk, offset + at, name) for at, name in _FAT_NAMES):
        return True
    return bool(foreign_filesystem(disk, offset, size))


def _holds(disk: Disk, offset: int, magic: bytes) -> bool:
    """Return whether the disk has these bytes there."""
    end = offset + len(magic)
    return end <= disk.size and disk.read(offset, len(magic)) == magic
