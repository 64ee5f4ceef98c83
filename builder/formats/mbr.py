r"""Partition tables of the PC: four entries in the first sector, more in a chain of others.

Sources: UEFI Specification 2.10, section 5.2 (MBR and protective MBR); Linux,
``block/partitions/msdos.c``, for numbers, PARTUUIDs and logical partitions.
Little endian; sectors of 512 bytes.

    offset  size  sector                        offset  size  entry
    0x1b8   4     disk signature                0x00    1     0x80: active
    0x1be   64    four entries                  0x01    3     first sector, as CHS
    0x1fe   2     b"\x55\xaa"                   0x04    1     type, 0: unused
                                                0x05    3     last sector, as CHS
                                                0x08    4     first sector
                                                0x0c    4     number of sectors

Does not use CHS addresses, and writes neither logical partitions nor active flags.
"""

import struct
from collections.abc import Iterator, Sequence

from builder.errors import FormatError
from builder.formats.disk import SECTOR, Disk, Partition

BOOT_SIGNATURE = b"\x55\xaa"
PROTECTIVE = 0xEE
_SIGNATURE_OFFSET = 0x1B8
_ENTRIES_OFFSET = 0x1BE
_BOOT_SIGNATURE_OFFSET = 0x1FE
_ENTRY = struct.Struct("<B3sB3sII")
_PRIMARY_ENTRIES = 4
_EXTENDED = (0x05, 0x0F, 0x85)
_FIRST_LOGICAL = 5
_MAXIMUM_LOGICAL = 128
_NO_CHS = b"\xfe\xff\xff"
_MAXIMUM_SECTORS = 0xFFFF_FFFF

_Entry = tuple[int, int, int]
"""Type, first sector, number of sectors."""


def has_boot_signature(sector: bytes) -> bool:
    """Return whether a sector ends as an MBR does; boot sectors of filesystems do, too."""
    return sector[_BOOT_SIGNATURE_OFFSET:SECTOR] == BOOT_SIGNATURE


def has_plausible_entries(sector: bytes) -> bool:
    """Return whether a sector is a partition table: flags are 0 or 0x80, an entry is in use."""
    raw = sector[_ENTRIES_OFFSET : _ENTRIES_OFFSET + _PRIMARY_ENTRIES * _ENTRY.size]
    flags = raw[:: _ENTRY.size]
    return any(raw) and all(flag in {0, 0x80} for flag in flags)


def is_protective(sector: bytes) -> bool:
    """Return whether an MBR says that the disk has a GPT."""
    return any(kind == PROTECTIVE for kind, _, _ in _entries(sector))


def end_of_entries(sector: bytes) -> int:
    """Return where the last partition of a first sector ends, in bytes, unchecked."""
    return max((first + count) * SECTOR for _, first, count in _entries(sector))


def entries_in_use(sector: bytes) -> list[tuple[int, int]]:
    """Return where the entries of a first sector begin and how long they are, in its sectors."""
    return [(first, count) for kind, first, count in _entries(sector) if kind and count]


def read_mbr(disk: Disk) -> tuple[Partition, ...]:
    """Return primary and logical partitions; the extended one itself is left out.

    Raises:
        FormatError: the table is missing, its chain is damaged, or partitions overlap.
    """
    if disk.size < SECTOR:
        raise FormatError(f"MBR: a disk of {disk.size} bytes is too small for one")
    sector = disk.read(0, SECTOR)
    if not has_boot_signature(sector):
        raise FormatError("MBR: the first sector does not end with 55 aa")
    signature = int.from_bytes(sector[_SIGNATURE_OFFSET : _SIGNATURE_OFFSET + 4], "little")
    found: list[tuple[int, _Entry]] = []
    for number, entry in enumerate(_entries(sector), 1):
        if entry[0] in _EXTENDED:
            found.extend(enumerate(_iter_logical(disk, entry), _FIRST_LOGICAL + _count(found)))
        elif entry[0] and entry[2]:
            found.append((number, entry))
    partitions = tuple(_partition(number, entry, signature) for number, entry in sorted(found))
    _check(partitions, disk.size)
    return partitions


def write_mbr(disk: Disk, partitions: Sequence[Partition], signature: int) -> None:
    """Write a table of primary partitions; the boot code stays.

    Args:
        disk: The whole disk.
        partitions: Numbers 1 to 4, aligned to sectors, types as two hex digits.
        signature: 32 bits that identify the disk.

    Raises:
        FormatError: they do not fit the table, the disk or each other.
    """
    _check(tuple(partitions), disk.size)
    entries = bytearray(_PRIMARY_ENTRIES * _ENTRY.size)
    for one in partitions:
        if not 1 <= one.number <= _PRIMARY_ENTRIES or one.offset % SECTOR or one.size % SECTOR:
            raise FormatError(
                f"MBR: no entry can hold partition {one.number},"
                f" {one.size} bytes at byte {one.offset}"
            )
        entry = _pack_entry(int(one.type, 16), one.offset // SECTOR, one.size // SECTOR)
        entries[(one.number - 1) * _ENTRY.size : one.number * _ENTRY.size] = entry
    disk.write(0, _pack_sector(disk.read(0, SECTOR), signature.to_bytes(4, "little"), entries))


def pack_protective_mbr(sector: bytes, size: int) -> bytes:
    """Return a first sector that tells tools without GPT to keep off a disk of ``size`` bytes."""
    sectors = min(size // SECTOR - 1, _MAXIMUM_SECTORS)
    # The standard gives this entry the CHS address of sector 1, not the placeholder.
    entry = _ENTRY.pack(0, b"\x00\x02\x00", PROTECTIVE, b"\xff\xff\xff", 1, sectors)
    return _pack_sector(sector, bytes(4), entry)


def _count(found: list[tuple[int, _Entry]]) -> int:
    """Return how many logical partitions have been found, should there be two chains."""
    return sum(1 for number, _ in found if number >= _FIRST_LOGICAL)


def _entries(sector: bytes) -> list[_Entry]:
    """Return the four entries of a table."""
    fields = (
        _ENTRY.unpack_from(sector, _ENTRIES_OFFSET + index * _ENTRY.size)
        for index in range(_PRIMARY_ENTRIES)
    )
    return [(kind, first, count) for _, _, kind, _, first, count in fields]


def _iter_logical(disk: Disk, extended: _Entry) -> Iterator[_Entry]:
    """Yield the logical partitions of an extended one: each table has one, and the next table."""
    base, seen = extended[1], set[int]()
    table: int | None = base
    while table is not None:
        if table in seen or len(seen) >= _MAXIMUM_LOGICAL:
            raise FormatError(f"MBR: the chain of logical partitions loops at sector {table}")
        seen.add(table)
        if (table + 1) * SECTOR > disk.size:
            raise FormatError(
                f"MBR: a table of logical partitions is said to be in sector {table},"
                f" the disk's last is {disk.size // SECTOR - 1}",
                hint="the disk image may be truncated",
            )
        sector = disk.read(table * SECTOR, SECTOR)
        if not has_boot_signature(sector):
            raise FormatError(f"MBR: sector {table} is not a table of logical partitions")
        entries = [entry for entry in _entries(sector) if entry[0] and entry[2]]
        for kind, first, count in entries:
            if kind not in _EXTENDED:
                yield kind, table + first, count
        following = [first for kind, first, _ in entries if kind in _EXTENDED]
        table = base + following[0] if following else None


def _partition(number: int, entry: _Entry, signature: int) -> Partition:
    kind, first, count = entry
    uuid = f"{signature:08x}-{number:02x}"
    return Partition(number, first * SECTOR, count * SECTOR, f"{kind:02x}", uuid)


def _check(partitions: Sequence[Partition], size: int) -> None:
    """Refuse partitions that overlap or lie outside of the disk."""
    end = SECTOR
    for one in sorted(partitions, key=lambda partition: partition.offset):
        if one.offset < end or one.size <= 0:
            raise FormatError(
                f"MBR: partition {one.number} has {one.size} bytes at byte {one.offset},"
                f" wanted some at {end} or later"
            )
        end = one.offset + one.size
        if end > size or end > (_MAXIMUM_SECTORS + 1) * SECTOR:
            raise FormatError(
                f"MBR: partition {one.number} ends at byte {end} of {size}",
                hint="the disk image may be truncated",
            )


def _pack_entry(kind: int, first: int, count: int) -> bytes:
    """Return an entry whose CHS addresses say that they are not to be used."""
    return _ENTRY.pack(0, _NO_CHS, kind, _NO_CHS, first, count)


def _pack_sector(sector: bytes, signature: bytes, entries: bytes | bytearray) -> bytes:
    """Return the first sector with other entries; the boot code stays."""
    table = bytes(entries).ljust(_PRIMARY_ENTRIES * _ENTRY.size, b"\0")
    middle = signature + sector[_SIGNATURE_OFFSET + 4 : _ENTRIES_OFFSET]
    return sector[:_SIGNATURE_OFFSET] + middle + table + BOOT_SIGNATURE
