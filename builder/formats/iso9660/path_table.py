"""Path tables of ISO 9660: every directory with its place and its parent, in one list.

Source: ECMA-119, 3rd edition, section 9.4; the order is section 6.9.1's.

    offset  size  field (little endian in one table, big endian in the other)
    0x00    1     length of the name
    0x01    1     blocks of an extended attribute record
    0x02    4     block of the directory
    0x06    2     number of the parent, from 1; the root is its own
    0x08    n     name, one zero byte behind it when n is odd

Does not tell how long a directory is: its own first record does.
"""

import struct
from collections.abc import Callable

from builder.errors import FormatError
from builder.formats.disk import Disk
from builder.formats.iso9660.volume import Descriptor
from builder.structs import Struct

MOST_DIRECTORIES = 0xFFFF
_LARGEST = MOST_DIRECTORIES * (8 + 256)
_LITTLE, _BIG = struct.Struct("<BBIH"), struct.Struct(">BBIH")
_HEAD_SIZE = 8

SortKey = Callable[[bytes], tuple[bytes, ...]]


class PathTable(Struct):
    """Directories by index; the root has index 0 and is its own parent.

    Attributes:
        names: Identifiers as recorded; the root's is one zero byte.
        extents: Block of each.
        parents: Index of each one's parent.
    """

    names: list[bytes]
    extents: list[int]
    parents: list[int]

    def add(self, name: bytes, extent: int, parent: int) -> int:
        """Append a directory and return its index."""
        self.names.append(name)
        self.extents.append(extent)
        self.parents.append(parent)
        return len(self.names) - 1


def read_path_table(disk: Disk, descriptor: Descriptor, *, big: bool = False) -> PathTable:
    """Read one of the two tables.

    Raises:
        FormatError: it is damaged.
    """
    placement = descriptor.placement
    block = placement.big_table if big else placement.little_table
    where = f"ISO 9660: path table at block {block}"
    if not 0 < placement.table_size <= _LARGEST:
        raise FormatError(f"{where}: {placement.table_size} bytes; wanted 1 to {_LARGEST}")
    data = disk.read(block * 2048, placement.table_size)
    table = _parse(data, _BIG if big else _LITTLE, where)
    if not table.names or table.names[0] != b"\0" or table.extents[0] != placement.root:
        raise FormatError(f"{where}: its first entry is not the root at block {placement.root}")
    return table


def pack_path_tables(table: PathTable, keep: list[int], key: SortKey) -> tuple[bytes, bytes]:
    """Return both tables, little endian first, of the directories ``keep``.

    Args:
        table: All directories.
        keep: Indexes of those that are still there, the root among them.
        key: Orders names of one directory.
    """
    order = _order(table, keep, key)
    number = {index: at + 1 for at, index in enumerate(order)}
    little, big = bytearray(), bytearray()
    for index in order:
        name = table.names[index]
        fields = (len(name), 0, table.extents[index], number[table.parents[index]])
        padded = name + bytes(len(name) % 2)
        little += _LITTLE.pack(*fields) + padded
        big += _BIG.pack(*fields) + padded
    return bytes(little), bytes(big)


def _parse(data: bytes, layout: struct.Struct, where: str) -> PathTable:
    """Split a table into its entries."""
    table = PathTable([], [], [])
    offset = 0
    while offset < len(data):
        if offset + _HEAD_SIZE > len(data):
            raise FormatError(f"{where}: ends within an entry at byte {offset}")
        length, _, extent, parent = layout.unpack_from(data, offset)
        name = data[offset + _HEAD_SIZE : offset + _HEAD_SIZE + length]
        if not length or len(name) != length:
            raise FormatError(f"{where}: entry at byte {offset}: a name of {length} bytes")
        count = len(table.names)
        if not 1 <= parent <= max(count, 1):
            raise FormatError(f"{where}: entry {count + 1}: parent {parent} does not precede it")
        table.add(name, extent, parent - 1)
        offset += _HEAD_SIZE + length + length % 2
    return table


def _order(table: PathTable, keep: list[int], key: SortKey) -> list[int]:
    """Return indexes by level, then by parent, then by name."""
    children: dict[int, list[int]] = {}
    for index in keep:
        if index:
            children.setdefault(table.parents[index], []).append(index)
    order = [0]
    for index in order:
        below = children.get(index, ())
        order += sorted(below, key=lambda child: key(table.names[child]))
    return order
