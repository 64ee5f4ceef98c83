"""GUID partition tables: read with every check that the standard asks for, and written whole.

Source: UEFI Specification 2.10, section 5.3, "GUID Partition Table (GPT) Disk Layout".
Little endian; the first header is in sector 1, its copy in the disk's last sector.

    offset  size  header                        offset  size  entry
    0x00    8     b"EFI PART"                   0x00    16    type GUID, zero: unused
    0x08    4     revision, 0x00010000          0x10    16    partition GUID
    0x0c    4     header size, 92 or more       0x20    8     first sector
    0x10    4     CRC-32 of the header          0x28    8     last sector
    0x18    8     sector of this header         0x30    8     attributes
    0x20    8     sector of the other one       0x38    72    name, UTF-16
    0x28    8     first usable sector
    0x30    8     last usable sector
    0x38    16    disk GUID
    0x48    8     first sector of the entries
    0x50    4     number of entries
    0x54    4     size of an entry
    0x58    4     CRC-32 of the entries

Does not repair a damaged table, and does not read disks with sectors of 4096 bytes.
"""

import struct
import uuid
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from builder.errors import FormatError
from builder.formats.disk import SECTOR, Disk, Partition
from builder.formats.mbr import pack_protective_mbr
from builder.structs import Struct, field

MAGIC = b"EFI PART"
HEADER_SECTOR = 1
LARGE_SECTOR = 4096
_REVISION = 0x0001_0000
_HEADER = struct.Struct("<8sIII4xQQQQ16sQIII")
_HEADER_CRC = 16
_OTHER = 0x20
_ENTRY = struct.Struct("<16s16sQQQ72s")
_NAME_UNITS = 36
_HINT = "use an image for disks with sectors of 512 bytes, as Photon publishes them"
_ENTRY_SIZES = (128, 256, 512, 1024, 2048, 4096)
_MAXIMUM_ENTRIES = 1024
_ENTRY_COUNT = 128
_ENTRY_SECTORS = _ENTRY_COUNT * _ENTRY.size // SECTOR
_FIRST_USABLE = 2 + _ENTRY_SECTORS
_NONE: Mapping[int, int] = MappingProxyType({})


class Gpt(Struct, frozen=True):
    """A partition table.

    Attributes:
        disk_guid: Identifies the disk.
        first_usable: First byte that partitions may use.
        end_usable: The byte behind the last one.
        partitions: In order of their numbers.
        attributes: Attribute bits by partition number, those that are not zero.
    """

    disk_guid: uuid.UUID
    first_usable: int
    end_usable: int
    partitions: tuple[Partition, ...]
    attributes: Mapping[int, int] = field(default_factory=dict)


class _Entry(NamedTuple):
    """One entry; the fields of the table above, in sectors."""

    kind: bytes
    guid: bytes
    first: int
    last: int
    attributes: int
    name: bytes


class _Header(Struct, frozen=True):
    """One of the two headers; the fields of the table above, in sectors."""

    own_sector: int
    other_sector: int
    first_usable: int
    last_usable: int
    disk_guid: bytes
    entries_sector: int
    entry_count: int
    entry_size: int
    entries_crc: int


def is_gpt(disk: Disk) -> bool:
    """Return whether sector 1 begins as a header of a GPT does."""
    return disk.size >= 2 * SECTOR and disk.read(SECTOR, len(MAGIC)) == MAGIC


def claimed_size(head: bytes) -> int:
    """Return the disk size by the GPT header, unchecked; zero without a header."""
    if head[SECTOR : SECTOR + len(MAGIC)] != MAGIC:
        return 0
    return (int.from_bytes(head[SECTOR + _OTHER : SECTOR + _OTHER + 8], "little") + 1) * SECTOR


def read_gpt(disk: Disk, *, accept_backup: bool = False) -> tuple[Partition, ...]:
    """Return the partitions of a disk.

    Args:
        disk: The whole disk.
        accept_backup: Use the backup table when the primary one is damaged.

    Raises:
        FormatError: the table is damaged, or of a disk with larger sectors.
    """
    return read_gpt_table(disk, accept_backup=accept_backup).partitions


def read_gpt_table(disk: Disk, *, accept_backup: bool = False) -> Gpt:
    """Return the whole table; arguments and errors are those of :func:`read_gpt`."""
    try:
        return _read_table(disk, _read_header(disk, HEADER_SECTOR, "GPT"), "GPT")
    except FormatError as error:
        if not accept_backup:
            raise
        try:
            return _read_backup(disk)
        except FormatError:
            raise error from None


def check_gpt(disk: Disk) -> None:
    """Refuse a disk unless both of its tables are valid and equal.

    Raises:
        FormatError: one table is damaged, or they differ.
    """
    header = _read_header(disk, HEADER_SECTOR, "GPT")
    if header.other_sector != disk.size // SECTOR - 1:
        raise FormatError(
            f"GPT: its copy is said to be in sector {header.other_sector},"
            f" the disk's last is {disk.size // SECTOR - 1}"
        )
    if _read_table(disk, header, "GPT") != _read_backup(disk):
        raise FormatError("GPT: the table and its copy at the disk's end differ")


def write_gpt(
    disk: Disk,
    partitions: Sequence[Partition],
    disk_guid: uuid.UUID,
    *,
    attributes: Mapping[int, int] = _NONE,
) -> None:
    """Write both tables and the protective MBR; the MBR's boot code stays.

    Args:
        disk: The whole disk.
        partitions: Aligned to sectors; numbers need not be consecutive.
        disk_guid: Identifies the disk.
        attributes: Attribute bits by partition number.

    Raises:
        FormatError: the partitions do not fit the disk or each other.
    """
    last = disk.size // SECTOR - 1
    usable = (_FIRST_USABLE * SECTOR, (last - _ENTRY_SECTORS) * SECTOR)
    table = Gpt(disk_guid, *usable, tuple(sorted(partitions, key=lambda one: one.number)))
    _check_partitions(table, "GPT")
    entries = bytearray(_ENTRY_COUNT * _ENTRY.size)
    for partition in table.partitions:
        if not 1 <= partition.number <= _ENTRY_COUNT:
            raise FormatError(f"GPT: no place for a partition number {partition.number}")
        place = (partition.number - 1) * _ENTRY.size
        _ENTRY.pack_into(entries, place, *_entry(partition, attributes.get(partition.number, 0)))
    backup_entries = last - _ENTRY_SECTORS
    for own, other, start in ((last, HEADER_SECTOR, backup_entries), (HEADER_SECTOR, last, 2)):
        disk.write(start * SECTOR, entries)
        disk.write(own * SECTOR, _pack_header(table, own, other, start, zlib.crc32(entries)))
    disk.write(0, pack_protective_mbr(disk.read(0, SECTOR), disk.size))


def large_sectors(where: str) -> FormatError:
    """Return the error for a disk whose table counts sectors of 4096 bytes."""
    return FormatError(
        f"{where}: the disk has sectors of {LARGE_SECTOR} bytes, wanted {SECTOR}", hint=_HINT
    )


def _read_backup(disk: Disk) -> Gpt:
    """Return the table at the disk's end."""
    where = "backup GPT"
    return _read_table(disk, _read_header(disk, disk.size // SECTOR - 1, where), where)


def _read_header(disk: Disk, sector: int, where: str) -> _Header:
    """Return the header in a sector, its checksum and fields checked."""
    if disk.size < (_FIRST_USABLE + _ENTRY_SECTORS) * SECTOR:
        raise FormatError(f"{where}: a disk of {disk.size} bytes is too small for one")
    raw = disk.read(sector * SECTOR, SECTOR)
    magic, revision, size, crc, *fields = _HEADER.unpack_from(raw)
    if magic != MAGIC:
        if sector == HEADER_SECTOR and disk.read(LARGE_SECTOR, len(MAGIC)) == MAGIC:
            raise large_sectors(where)
        raise FormatError(f"{where}: sector {sector} holds no header", hint=_HINT)
    if not _HEADER.size <= size <= SECTOR or revision >> 16 != _REVISION >> 16:
        raise FormatError(f"{where}: revision {revision:#x} with a header of {size} bytes")
    blank = raw[:_HEADER_CRC] + bytes(4) + raw[_HEADER_CRC + 4 : size]
    if zlib.crc32(blank) != crc:
        raise FormatError(f"{where}: the checksum of its header is wrong")
    header = _Header(*fields)
    if header.own_sector != sector:
        raise FormatError(f"{where}: is in sector {sector} but says {header.own_sector}")
    return header


def _read_table(disk: Disk, header: _Header, where: str) -> Gpt:
    if header.entry_size not in _ENTRY_SIZES or header.entry_count > _MAXIMUM_ENTRIES:
        raise FormatError(
            f"{where}: {header.entry_count} entries of {header.entry_size} bytes,"
            f" wanted up to {_MAXIMUM_ENTRIES} of {_ENTRY_SIZES[0]} to {_ENTRY_SIZES[-1]}"
        )
    if not HEADER_SECTOR < header.entries_sector < disk.size // SECTOR:
        raise FormatError(f"{where}: its entries are said to be in sector {header.entries_sector}")
    entries = disk.read(header.entries_sector * SECTOR, header.entry_count * header.entry_size)
    if zlib.crc32(entries) != header.entries_crc:
        raise FormatError(f"{where}: the checksum of its entries is wrong")
    partitions, attributes = [], {}
    for number in range(1, header.entry_count + 1):
        entry = _Entry(*_ENTRY.unpack_from(entries, (number - 1) * header.entry_size))
        if any(entry.kind):
            partitions.append(_partition(number, entry))
            if entry.attributes:
                attributes[number] = entry.attributes
    end = min(header.last_usable + 1, disk.size // SECTOR)
    table = Gpt(
        uuid.UUID(bytes_le=header.disk_guid),
        header.first_usable * SECTOR,
        end * SECTOR,
        tuple(partitions),
        attributes,
    )
    _check_partitions(table, where)
    return table


def _partition(number: int, entry: _Entry) -> Partition:
    return Partition(
        number,
        entry.first * SECTOR,
        (entry.last - entry.first + 1) * SECTOR,
        str(uuid.UUID(bytes_le=entry.kind)).upper(),
        str(uuid.UUID(bytes_le=entry.guid)),
        entry.name.decode("utf-16-le", "replace").split("\0", 1)[0],
    )


def _check_partitions(table: Gpt, where: str) -> None:
    """Refuse partitions that overlap or lie outside of what may be used."""
    end = table.first_usable
    for one in sorted(table.partitions, key=lambda partition: partition.offset):
        if one.size <= 0 or one.offset % SECTOR or one.size % SECTOR:
            raise FormatError(f"{where}: partition {one.number} is {one.size} bytes long")
        if one.offset < end:
            raise FormatError(
                f"{where}: partition {one.number} begins at byte {one.offset}, before {end}"
            )
        end = one.offset + one.size
        if end > table.end_usable:
            raise FormatError(
                f"{where}: partition {one.number} ends at byte {end} of {table.end_usable}"
                " that can be used",
                hint="the disk image may be truncated",
            )


def _entry(partition: Partition, attributes: int) -> _Entry:
    name = partition.name.encode("utf-16-le")
    if len(name) > 2 * _NAME_UNITS:
        raise FormatError(f"GPT: the name {partition.name!r} is longer than {_NAME_UNITS}")
    first = partition.offset // SECTOR
    return _Entry(
        uuid.UUID(partition.type).bytes_le,
        uuid.UUID(partition.uuid).bytes_le,
        first,
        first + partition.size // SECTOR - 1,
        attributes,
        name,
    )


def _pack_header(table: Gpt, own: int, other: int, start: int, crc: int) -> bytes:
    """Return a header with its checksum, padded to a sector."""
    fields = (
        own,
        other,
        table.first_usable // SECTOR,
        table.end_usable // SECTOR - 1,
        table.disk_guid.bytes_le,
        start,
        _ENTRY_COUNT,
        _ENTRY.size,
        crc,
    )
    blank = _HEADER.pack(MAGIC, _REVISION, _HEADER.size, 0, *fields)
    raw = _HEADER.pack(MAGIC, _REVISION, _HEADER.size, zlib.crc32(blank), *fields)
    return raw.ljust(SECTOR, b"\0")
