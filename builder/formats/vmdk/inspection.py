"""Checks that the stream of a VMDK and its grain tables agree.

A reader of files follows the tables, an importer of OVAs follows the stream from marker to
marker: a disk is valid when both find the same grains. The stream is walked in file order,
so that records can neither overlap nor leave the file.
"""

from collections.abc import Iterator

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.formats.vmdk.grains import MARKER_SIZE, Marker, Record, parse_marker
from builder.formats.vmdk.header import HAS_REDUNDANT_TABLES
from builder.formats.vmdk.stream_optimized import StreamOptimized
from builder.formats.vmdk.tables import (
    TABLE_SECTORS,
    ZERO_GRAIN,
    check_directory,
    directory_sectors,
    read_directory,
)

_BATCH = 256
_NO_GRAIN = (-1, -1)


def check_stream(vmdk: StreamOptimized, *, full: bool) -> None:
    """Check a VMDK from its first marker to its last.

    Raises:
        FormatError: the stream and the tables differ, or a record is damaged.
    """
    _check_tables(vmdk, _check_grains(vmdk))
    if vmdk.header.flags & HAS_REDUNDANT_TABLES and vmdk.header.redundant_directory_sector:
        _check_redundant_tables(vmdk)
    if full:
        _inflate_all(vmdk)


def _iter_stream(vmdk: StreamOptimized) -> Iterator[tuple[int, Record]]:
    """Yield every marker with its sector, up to the end of the stream."""
    sector, end, read = vmdk.header.overhead_sectors, vmdk.size_sectors, vmdk.read_at
    while sector < end:
        record = parse_marker(read(sector * SECTOR, MARKER_SIZE))
        if not record.size and record.type == Marker.END:
            return
        yield sector, record
        sector += record.sectors


def _check_grains(vmdk: StreamOptimized) -> set[int]:
    """Refuse a grain that is out of order, or not where its table says; return what is announced.

    These are the sectors of the tables that have a marker.
    """
    grain_sectors, check_length = vmdk.header.grain_sectors, vmdk.check_length
    expected, previous, announced = vmdk.tables.iter_allocated(), -1, set[int]()
    for sector, record in _iter_stream(vmdk):
        if not record.size:
            _check_metadata(vmdk, sector, record)
            if record.type == Marker.TABLE:
                announced.add(sector + 1)
            continue
        number, place = next(expected, _NO_GRAIN)
        if record.value != number * grain_sectors or sector != place:
            raise _misplaced(vmdk, (sector, record), previous, number)
        check_length(number, sector, record.size)
        previous = number
    for number, place in expected:
        raise FormatError(
            f"{vmdk.name}: its tables have grain {number} at sector {place},"
            " its stream ends before that",
            hint="the file may be truncated: delete it from the cache and run again",
        )
    return announced


def _misplaced(
    vmdk: StreamOptimized, found: tuple[int, Record], previous: int, wanted: int
) -> FormatError:
    """Return the error for a grain that is not the next one of the tables, which is ``wanted``."""
    sector, record = found
    number, rest = divmod(record.value, vmdk.header.grain_sectors)
    if rest or number >= vmdk.header.grain_count or number <= previous:
        return FormatError(
            f"{vmdk.name}: the marker at sector {sector} is for disk sector {record.value},"
            f" after grain {previous} of {vmdk.header.grain_count}"
        )
    if vmdk.tables[number] != sector:
        return FormatError(
            f"{vmdk.name}: grain {number} is at sector {sector},"
            f" but its table says {vmdk.tables[number]}"
        )
    return FormatError(
        f"{vmdk.name}: its stream has grain {number} at sector {sector},"
        f" where its tables have grain {wanted} before it"
    )


def _check_metadata(vmdk: StreamOptimized, sector: int, record: Record) -> None:
    """Refuse a marker that announces what the directory does not know."""
    match record.type:
        case Marker.TABLE:
            known = record.value == TABLE_SECTORS
        case Marker.DIRECTORY:
            wanted = directory_sectors(vmdk.header.table_count)
            known = record.value == wanted and sector + 1 == vmdk.header.directory_sector
        case Marker.FOOTER:
            known = record.value == 1 and sector == vmdk.size_sectors - 3
        case _:
            known = False
    if not known:
        raise FormatError(
            f"{vmdk.name}: an unknown marker at sector {sector}:"
            f" type {record.type} with {record.value} sectors"
        )


def _check_tables(vmdk: StreamOptimized, announced: set[int]) -> None:
    """Refuse tables that are neither before the stream nor announced in it."""
    overhead = vmdk.header.overhead_sectors
    for number, sector in enumerate(vmdk.directory):
        if sector and sector + TABLE_SECTORS > overhead and sector not in announced:
            raise FormatError(f"{vmdk.name}: grain table {number} at sector {sector} has no marker")


def _check_redundant_tables(vmdk: StreamOptimized) -> None:
    """Refuse a second directory that leads to other grains than the first."""
    directory = read_directory(
        vmdk.read_sectors, vmdk.header.redundant_directory_sector, vmdk.header.table_count
    )
    check_directory(directory, vmdk.size_sectors, f"{vmdk.name}: the redundant directory")
    for number, sector in enumerate(directory):
        raw = vmdk.read_sectors(sector, TABLE_SECTORS, "a redundant table") if sector else b""
        if raw.strip(b"\0") != vmdk.tables.pack_table(number).strip(b"\0"):
            raise FormatError(f"{vmdk.name}: grain table {number} and its copy differ")


def _inflate_all(vmdk: StreamOptimized) -> None:
    """Inflate every grain, two at a time."""
    from concurrent.futures import ThreadPoolExecutor
    from itertools import islice

    numbers = (number for number, sector in vmdk.tables.iter_allocated() if sector > ZERO_GRAIN)
    with ThreadPoolExecutor(2) as pool:
        while batch := list(islice(numbers, _BATCH)):
            for _ in pool.map(vmdk.read_grain, batch):
                pass
