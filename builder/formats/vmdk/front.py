"""The metadata before the grains of a new VMDK: header, descriptor, directory, tables.

The layout is that of open-vmdk, and so of Photon's own OVAs: everything that leads to the grains
comes first, and importers that read a stream need not wait for a footer.
"""

from array import array
from collections.abc import Iterator

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.formats.vmdk.descriptor import format_descriptor, make_descriptor
from builder.formats.vmdk.header import (
    DEFLATE,
    HAS_REDUNDANT_TABLES,
    MAXIMUM_CAPACITY,
    STREAM_FLAGS,
    TABLE_ENTRIES,
    SparseHeader,
    pack_header,
)
from builder.formats.vmdk.tables import (
    TABLE_SECTORS,
    GrainTables,
    directory_sectors,
    pack_sectors,
)
from builder.structs import replace

_DESCRIPTOR_START = 1
_DESCRIPTOR_SECTORS = 20
_GRAIN_SECTORS = 128
_VERSION = 3
_TABLES_AT_ONCE = 128
_MAXIMUM_SECTORS = 1 << 32


def lay_out(header: SparseHeader, descriptor_sectors: int) -> SparseHeader:
    """Return a header of the same disk with everything in front.

    A redundant directory is kept, and so is whether the first grain begins at a whole grain.
    """
    tables = directory_sectors(header.table_count) + header.table_count * TABLE_SECTORS
    first = _DESCRIPTOR_START + descriptor_sectors
    redundant = bool(header.flags & HAS_REDUNDANT_TABLES)
    end = first + tables * (2 if redundant else 1)
    unit = 1 if header.overhead_sectors % header.grain_sectors else header.grain_sectors
    return replace(
        header,
        descriptor_start_sector=_DESCRIPTOR_START,
        descriptor_sectors=descriptor_sectors,
        redundant_directory_sector=first if redundant else 0,
        directory_sector=first + tables if redundant else first,
        overhead_sectors=-(-end // unit) * unit,
    )


def make_front(capacity: int, filename: str, cid: str) -> tuple[SparseHeader, bytes]:
    """Return header and descriptor of a new disk.

    Raises:
        FormatError: the capacity exceeds that of any VMDK.
    """
    capacity_sectors, rest = divmod(capacity, SECTOR)
    if rest or not 0 < capacity <= MAXIMUM_CAPACITY:
        raise FormatError(f"{filename}: no VMDK can hold a disk of {capacity} bytes")
    header = SparseHeader(
        version=_VERSION,
        flags=STREAM_FLAGS,
        capacity_sectors=capacity_sectors,
        grain_sectors=_GRAIN_SECTORS,
        descriptor_start_sector=0,
        descriptor_sectors=0,
        table_entries=TABLE_ENTRIES,
        redundant_directory_sector=0,
        directory_sector=0,
        overhead_sectors=0,
        compression=DEFLATE,
    )
    text = format_descriptor(make_descriptor(capacity_sectors, filename, cid))
    return lay_out(header, _DESCRIPTOR_SECTORS), text.ljust(_DESCRIPTOR_SECTORS * SECTOR, b"\0")


def iter_front(header: SparseHeader, descriptor: bytes, tables: GrainTables) -> Iterator[bytes]:
    """Yield everything before the first grain, in pieces of a quarter MiB at most."""
    yield pack_header(header) + descriptor
    for start in (header.redundant_directory_sector, header.directory_sector):
        if start:
            yield from _iter_tables(start, header.table_count, tables)
    end = _end_of_tables(header)
    if end < header.overhead_sectors:
        yield bytes((header.overhead_sectors - end) * SECTOR)


def check_size(sectors: int, name: str) -> None:
    """Refuse more sectors than a table can count.

    Raises:
        FormatError: the file would have more sectors than a table can address.
    """
    if sectors >= _MAXIMUM_SECTORS:
        raise FormatError(
            f"{name}: would be {sectors} sectors long, a VMDK has less than {_MAXIMUM_SECTORS}"
        )


def _iter_tables(start: int, count: int, tables: GrainTables) -> Iterator[bytes]:
    sectors = directory_sectors(count)
    first = start + sectors
    places = array("I", range(first, first + count * TABLE_SECTORS, TABLE_SECTORS))
    yield pack_sectors(places).ljust(sectors * SECTOR, b"\0")
    for number in range(0, count, _TABLES_AT_ONCE):
        stop = min(number + _TABLES_AT_ONCE, count)
        yield b"".join(map(tables.pack_table, range(number, stop)))


def _end_of_tables(header: SparseHeader) -> int:
    """Return the sector behind the last table."""
    count = header.table_count
    return header.directory_sector + directory_sectors(count) + count * TABLE_SECTORS
