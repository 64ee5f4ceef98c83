"""Grain directory and grain tables: at which sector each grain of a VMDK lies.

Source: Virtual Disk Format 5.0 (VMware technical note), "Grain Directory", "Grain Table".
A directory holds the sectors of the tables, a table those of 512 grains, both as 32-bit
little-endian numbers; 0 stands for absent, 1 in a table for a grain of zeros.
"""

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.formats.vmdk.header import TABLE_ENTRIES

TABLE_SIZE = TABLE_ENTRIES * 4
TABLE_SECTORS = TABLE_SIZE // SECTOR
ZERO_GRAIN = 1
_EMPTY = bytes(TABLE_SIZE)
_RUN_TABLES = 512

ReadAt = Callable[[int, int, str], bytes]
"""Reads sectors: the first, how many, and what they are (for messages)."""


class GrainTables:
    """Sector of each grain; tables that are empty take no memory."""

    def __init__(self) -> None:
        self._tables: dict[int, array[int]] = {}

    def __getitem__(self, grain: int) -> int:
        table = self._tables.get(grain // TABLE_ENTRIES)
        return table[grain % TABLE_ENTRIES] if table is not None else 0

    def __setitem__(self, grain: int, sector: int) -> None:
        number, index = divmod(grain, TABLE_ENTRIES)
        table = self._tables.get(number)
        if table is None:
            table = self._tables[number] = array("I", _EMPTY)
        table[index] = sector

    def has_data(self, grain: int) -> bool:
        """Return whether a grain stands in the file."""
        return self[grain] > ZERO_GRAIN

    def iter_allocated(self) -> Iterator[tuple[int, int]]:
        """Yield number and sector of every grain that has data, in order of the number."""
        for number in sorted(self._tables):
            for grain, sector in enumerate(self._tables[number], number * TABLE_ENTRIES):
                if sector > ZERO_GRAIN:
                    yield grain, sector

    def highest_sector(self) -> int:
        """Return the highest sector of a grain, 0 when there is none."""
        return max((max(table) for table in self._tables.values()), default=0)

    def parse_table(self, number: int, raw: bytes) -> None:
        """Take over a table as it stands in a file."""
        if raw != _EMPTY:
            self._tables[number] = unpack_sectors(raw)

    def pack_table(self, number: int) -> bytes:
        """Return a table as it stands in a file."""
        table = self._tables.get(number)
        return pack_sectors(table) if table is not None else _EMPTY


def unpack_sectors(raw: bytes) -> "array[int]":
    """Read sector numbers."""
    sectors = array("I", raw)
    if sys.byteorder == "big":
        sectors.byteswap()
    return sectors


def pack_sectors(sectors: "array[int]") -> bytes:
    """Return sector numbers as they stand in a file."""
    if sys.byteorder == "big":
        sectors = array("I", sectors)
        sectors.byteswap()
    return sectors.tobytes()


def directory_sectors(table_count: int) -> int:
    """Return the length of a grain directory."""
    return -(-table_count * 4 // SECTOR)


def read_directory(read: ReadAt, start_sector: int, table_count: int) -> "array[int]":
    """Return the sectors of the tables.

    Raises:
        FormatError: the directory lies outside of the file.
    """
    raw = read(start_sector, directory_sectors(table_count), "the grain directory")
    return unpack_sectors(raw[: table_count * 4])


def check_directory(directory: Sequence[int], size_sectors: int, name: str) -> None:
    """Refuse tables outside of the file, and tables that overlap.

    Raises:
        FormatError: a table lies outside of the file, or two overlap.
    """
    for number, sector in enumerate(directory):
        if sector and not 1 <= sector <= size_sectors - TABLE_SECTORS:
            raise FormatError(
                f"{name}: grain table {number} lies at sector {sector} of {size_sectors}",
                hint="the file may be truncated: delete it from the cache and run again",
            )
    present = sorted(sector for sector in directory if sector)
    for before, after in pairwise(present):
        if after < before + TABLE_SECTORS:
            raise FormatError(f"{name}: two grain tables overlap at sector {after}")


def read_tables(read: ReadAt, directory: Sequence[int]) -> GrainTables:
    """Read all tables of a directory, those that are adjacent in one go.

    Raises:
        FormatError: one cannot be read.
    """
    tables = GrainTables()
    for first, count in _runs(directory):
        raw = read(directory[first], count * TABLE_SECTORS, f"grain table {first}")
        for number in range(count):
            tables.parse_table(first + number, raw[number * TABLE_SIZE : (number + 1) * TABLE_SIZE])
    return tables


def _runs(directory: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield number and count of tables that are adjacent; absent ones are left out."""
    first = count = 0
    for number, sector in enumerate(directory):
        if count and sector == directory[first] + count * TABLE_SECTORS and count < _RUN_TABLES:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, int(sector != 0)
    if count:
        yield first, count
