"""The system area of a hybrid ISO image: partition tables that let it boot from a USB stick.

Sources: UEFI Specification 2.10, sections 5.2 (MBR) and 5.3 (GPT); isohybrid and GRUB keep the
address of a boot image at byte 0x1b0 of the MBR (xorriso's doc/boot_sectors.txt); partitions
may overlap and begin at sector 0 there, which is why ``builder.formats.gpt`` refuses them.

An image that grows needs its last partition to grow, the copy of the GPT at its new end, and
checksums. Does not change an Apple partition map: its partitions stay where they were.
"""

import struct
import zlib
from collections.abc import Iterable

from builder.errors import FormatError, UnsupportedError
from builder.formats.disk import MIB, SECTOR, Disk
from builder.structs import Struct

SECTORS_PER_BLOCK = 4
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_ENTRIES_AT, _SIGNATURE_AT, _ADDRESS_AT = 0x1BE, 0x1FE, 0x1B0
_PROTECTIVE = 0xEE
_HEADS, _SECTORS_PER_TRACK, _CYLINDERS = 64, 32, 1024
_GPT_MAGIC = b"EFI PART"
_GPT_HEADER = struct.Struct("<8sIII4xQQQQ16sQIII")
_GPT_ENTRY = struct.Struct("<16s16sQQ")
_LARGEST_TABLE = 64 * SECTOR
_NEARLY = 128
_FIXED_TYPES = (
    bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b"),
    bytes.fromhex("005346480000aa11aa1100306543ecac"),
)
"""GPT types of partitions with a filesystem of their own: ESP and HFS+."""


class MovedImage(Struct, frozen=True):
    """A boot image that was replaced.

    Attributes:
        old: Its block before.
        new: Its block now.
        size: Its bytes now.
    """

    old: int
    new: int
    size: int


class _GptHeader(Struct, frozen=True):
    """What the header of a GPT says; sectors of 512 bytes."""

    raw: bytes
    size: int
    own: int
    other: int
    last_usable: int
    entries_at: int
    entries: bytes
    entry_size: int

    @property
    def table_sectors(self) -> int:
        """Sectors that the entries fill."""
        return -(-len(self.entries) // SECTOR)


class SystemArea(Struct, frozen=True):
    """The partition tables of an image.

    Attributes:
        mbr: Its first sector.
        has_mbr: Whether that holds partitions.
        gpt: The first header, if any.
        size: Bytes of the file.
        volume_size: Bytes of its volume.
    """

    mbr: bytes
    has_mbr: bool
    gpt: _GptHeader | None
    size: int
    volume_size: int

    @property
    def alignment(self) -> int:
        """Bytes of which the file's size should stay a multiple: a cylinder, or one sector."""
        return MIB if self.has_mbr and not self.size % MIB else SECTOR

    @property
    def reserved(self) -> int:
        """Bytes that the copy of the GPT needs at the end."""
        return 0 if self.gpt is None else (self.gpt.table_sectors + 1) * SECTOR


def read_system_area(disk: Disk, volume_size: int) -> SystemArea:
    """Read the partition tables, if there are any.

    Raises:
        FormatError: one is damaged.
    """
    mbr = disk.read(0, SECTOR)
    entries = _mbr_entries(mbr) if mbr[_SIGNATURE_AT:] == b"\x55\xaa" else []
    used = [entry for entry in entries if entry[5]]
    for *_, first, count in used:
        if (first + count) * SECTOR > disk.size + MIB:
            raise FormatError(
                f"ISO 9660: the partition at sector {first} ends at sector {first + count},"
                f" the file at {disk.size // SECTOR}",
                hint="the download may be truncated: delete it from the cache and run again",
            )
    return SystemArea(mbr, bool(used), _read_gpt(disk), disk.size, volume_size)


def check_growth(area: SystemArea) -> None:
    """Refuse a table that cannot stay true when the volume grows.

    Raises:
        UnsupportedError: a partition lies behind the volume.
    """
    end = area.volume_size // SECTOR
    for *_, first, count in _mbr_entries(area.mbr) if area.has_mbr else ():
        if count and first >= end:
            raise UnsupportedError(
                f"ISO 9660: a partition at sector {first} lies behind the volume, which ends at"
                f" {end}; it would be in the way of what is added"
            )


def grow_tables(area: SystemArea, size: int, moved: Iterable[MovedImage]) -> dict[int, bytes]:
    """Return what to write where, by offset, so that the tables fit a file of ``size`` bytes."""
    images = {image.old * SECTORS_PER_BLOCK: image for image in moved}
    patches: dict[int, bytes] = {}
    mbr = _grow_mbr(area, size, images) if area.has_mbr else bytearray(area.mbr)
    _move_address(mbr, images)
    if bytes(mbr) != area.mbr:
        patches[0] = bytes(mbr)
    if area.gpt is not None:
        patches.update(_grow_gpt(area.gpt, size // SECTOR, images))
    return patches


def _mbr_entries(mbr: bytes) -> list[tuple[int, bytes, int, bytes, int, int]]:
    return list(_MBR_ENTRY.iter_unpack(mbr[_ENTRIES_AT:_SIGNATURE_AT]))


def _grow_mbr(area: SystemArea, size: int, images: dict[int, MovedImage]) -> bytearray:
    """Return the MBR with the entries that reached the end reaching the new one."""
    out = bytearray(area.mbr)
    ends = {area.size // SECTOR, area.volume_size // SECTOR}
    for number, old in enumerate(_mbr_entries(area.mbr)):
        first, count = old[4:]
        image, entry = images.get(first), old
        if image is not None and count:
            entry = _moved(old, image.new * SECTORS_PER_BLOCK, -(-image.size // SECTOR))
        elif count and first + count in ends:
            entry = _moved(old, first, min(size // SECTOR - first, 0xFFFF_FFFF))
        at = _ENTRIES_AT + _MBR_ENTRY.size * number
        out[at : at + _MBR_ENTRY.size] = _MBR_ENTRY.pack(*entry)
    return out


def _moved(
    entry: tuple[int, bytes, int, bytes, int, int], first: int, count: int
) -> tuple[int, bytes, int, bytes, int, int]:
    """Return an entry for other sectors; the end of a protective one stays as it is."""
    active, start, kind, end, was, _ = entry
    start = start if first == was else _chs(first)
    end = end if kind == _PROTECTIVE else _chs(first + count - 1)
    return active, start, kind, end, first, count


def _chs(sector: int) -> bytes:
    """Return a sector's cylinder, head and sector as isohybrid counts them."""
    track, inside = divmod(sector, _SECTORS_PER_TRACK)
    cylinder, head = divmod(track, _HEADS)
    if cylinder >= _CYLINDERS:
        return b"\xfe\xff\xff"
    return bytes((head, (inside + 1) | (cylinder >> 8) << 6, cylinder & 0xFF))


def _move_address(mbr: bytearray, images: dict[int, MovedImage]) -> None:
    """Correct the address of the boot image that the code in the MBR loads."""
    (address,) = struct.unpack_from("<Q", mbr, _ADDRESS_AT)
    # isohybrid keeps the image's first sector, GRUB the one that holds its second stage.
    for skipped in (0, SECTORS_PER_BLOCK):
        image = images.get(address - skipped)
        if image is not None:
            address = image.new * SECTORS_PER_BLOCK + skipped
            struct.pack_into("<Q", mbr, _ADDRESS_AT, address)
            return


def _read_gpt(disk: Disk) -> _GptHeader | None:
    """Read the first header and its entries; the copy must be where it says."""
    if disk.size < 2 * SECTOR or disk.read(SECTOR, 8) != _GPT_MAGIC:
        return None
    header = _read_gpt_header(disk, 1)
    if (header.other + 1) * SECTOR > disk.size:
        raise FormatError(
            f"ISO 9660: the copy of the GPT should be in sector {header.other}, the file has"
            f" {disk.size // SECTOR}",
            hint="the download may be truncated: delete it from the cache and run again",
        )
    copy = _read_gpt_header(disk, header.other)
    if copy.entries != header.entries:
        raise FormatError("ISO 9660: the GPT and its copy differ")
    return header


def _read_gpt_header(disk: Disk, sector: int) -> _GptHeader:
    """Read one header with its entries and check both sums."""
    where = f"ISO 9660: GPT in sector {sector}"
    raw = disk.read(sector * SECTOR, SECTOR)
    fields = _GPT_HEADER.unpack_from(raw)
    magic, _, size, crc, own, other, _, last, _, entries_at, count, entry_size, table_crc = fields
    if magic != _GPT_MAGIC or not _GPT_HEADER.size <= size <= SECTOR or own != sector:
        raise FormatError(f"{where}: there is no header")
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:size]) != crc:
        raise FormatError(f"{where}: the checksum of the header is wrong")
    if entry_size < _GPT_ENTRY.size or not 0 < count * entry_size <= _LARGEST_TABLE:
        raise FormatError(f"{where}: {count} entries of {entry_size} bytes")
    entries = disk.read(entries_at * SECTOR, count * entry_size)
    if zlib.crc32(entries) != table_crc:
        raise FormatError(f"{where}: the checksum of the entries is wrong")
    if sector == 1 and other - last <= -(-len(entries) // SECTOR):
        raise FormatError(f"{where}: the last usable sector {last} leaves no space for the backup")
    return _GptHeader(raw, size, own, other, last, entries_at, entries, entry_size)


def _grow_gpt(header: _GptHeader, sectors: int, images: dict[int, MovedImage]) -> dict[int, bytes]:
    """Return both headers and tables for a file of that many sectors."""
    end = sectors - 1
    copy_at = end - header.table_sectors
    last = end - (header.other - header.last_usable)
    entries = _grow_gpt_entries(header, last, images)
    first = _pack_gpt(header, (1, end, last, header.entries_at), entries)
    copy = _pack_gpt(header, (end, 1, last, copy_at), entries)
    return {
        SECTOR: first,
        header.entries_at * SECTOR: entries,
        copy_at * SECTOR: entries.ljust(header.table_sectors * SECTOR, b"\0"),
        end * SECTOR: copy,
    }


def _grow_gpt_entries(header: _GptHeader, last_usable: int, images: dict[int, MovedImage]) -> bytes:
    """Return the entries with those that reached the end reaching the new one."""
    out = bytearray(header.entries)
    for offset in range(0, len(out), header.entry_size):
        kind, _, first, last = _GPT_ENTRY.unpack_from(out, offset)
        if kind == bytes(16):
            continue
        image = images.get(first)
        if image is not None:
            first = image.new * SECTORS_PER_BLOCK
            last = first + -(-image.size // SECTOR) - 1
        elif kind not in _FIXED_TYPES and abs(header.last_usable - last) < _NEARLY:
            last += last_usable - header.last_usable
        struct.pack_into("<QQ", out, offset + 32, first, last)
    return bytes(out)


def _pack_gpt(header: _GptHeader, places: tuple[int, int, int, int], entries: bytes) -> bytes:
    """Return a header: its own sector, the other's, the last usable, that of the entries."""
    out = bytearray(header.raw)
    own, other, last, entries_at = places
    struct.pack_into("<QQ", out, 24, own, other)
    struct.pack_into("<Q", out, 48, last)
    struct.pack_into("<Q", out, 72, entries_at)
    struct.pack_into("<I", out, 88, zlib.crc32(entries))
    struct.pack_into("<I", out, 16, 0)
    struct.pack_into("<I", out, 16, zlib.crc32(out[: header.size]))
    return bytes(out)
