"""ext4 extent trees.

Source: kernel ``Documentation/filesystems/ext4/ifork.rst``. The root is the inode's 60
bytes; other nodes fill a block. A node is a header of 12 bytes and entries of 12; in a
block, a CRC-32C follows the last entry there is room for.

    header  magic 0xF30A, entries, entries there is room for, height (2 bytes each), 4 unused
    leaf    logical block (4), length (2; above 32768 not written yet), block (high 2, low 4)
    index   logical block (4), block of the node below (low 4, high 2), 2 unused
"""

import struct
from collections.abc import Callable

from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.inode import Inode, Inodes
from builder.formats.ext4.runs import Extent, Mapping, Run

_HEADER = struct.Struct("<HHHHI")
_LEAF = struct.Struct("<IHHI")
_INDEX = struct.Struct("<IIHH")
_MAGIC = 0xF30A
_ENTRY = 12
_ROOT_ENTRIES = 4
_LONGEST = 32768
_MAX_HEIGHT = 5

Entry = tuple[int, bytes]
"""First logical block and packed form of an entry."""


class _Walk:
    """One reading of a tree."""

    def __init__(self, inodes: Inodes, inode: Inode) -> None:
        self.inodes = inodes
        self.volume = inodes.volume
        self.inode = inode
        self.mapping = Mapping()
        self.next_logical = 0
        self._seen: set[int] = set()

    def visit(self, raw: bytes, where: str, height: int | None = None) -> None:
        """Read one node and all below it."""
        magic, count, room, found, _ = _HEADER.unpack_from(raw)
        if magic != _MAGIC:
            raise self.volume.damage(f"{where}: magic {magic:#06x}, wanted {_MAGIC:#06x}")
        if count > room or room > len(raw) // _ENTRY - 1:
            raise self.volume.damage(f"{where}: {count} entries of {room}")
        if found > _MAX_HEIGHT or (height is not None and found != height) or (found and not count):
            raise self.volume.damage(f"{where}: height {found} with {count} entries")
        if height is not None:
            self._check_sum(raw, room, where)
        for offset in range(_ENTRY, _ENTRY + count * _ENTRY, _ENTRY):
            if found:
                self._descend(raw, offset, where, found - 1)
            else:
                self._add(raw, offset, where)

    def _descend(self, raw: bytes, offset: int, where: str, height: int) -> None:
        """Read the node that an index entry names."""
        logical, low, high, _ = _INDEX.unpack_from(raw, offset)
        block = high << 32 | low
        if logical < self.next_logical:
            raise self.volume.damage(f"{where}: logical block {logical} out of order")
        if block in self._seen:
            raise self.volume.damage(f"{where}: block {block} is used twice")
        self.inodes.groups.check_usable(block, 1, where)
        self._seen.add(block)
        self.mapping.tree.append(block)
        name = f"inode {self.inode.number}: extent block {block}"
        self.visit(self.volume.read(block), name, height)

    def _add(self, raw: bytes, offset: int, where: str) -> None:
        """Take an entry of a leaf."""
        logical, length, high, low = _LEAF.unpack_from(raw, offset)
        written = length <= _LONGEST
        length = length if written else length - _LONGEST
        if not length or logical < self.next_logical or logical + length > 1 << 32:
            raise self.volume.damage(
                f"{where}: extent of {length} blocks at logical block {logical}"
            )
        start = high << 32 | low
        self.inodes.groups.check_usable(start, length, where)
        self.mapping.extents.append(Extent(logical, start, length, written))
        self.next_logical = logical + length

    def _check_sum(self, raw: bytes, room: int, where: str) -> None:
        """Compare the checksum behind the entries."""
        block = self.mapping.tree[-1]
        if not self.volume.superblock.has_checksums:
            return
        end = _ENTRY + _ENTRY * room
        if end + 4 > len(raw):
            raise self.volume.damage(f"{where}: no room for a checksum after {room} entries")
        if self.volume.is_new(block, self.inode.number):
            found = int.from_bytes(raw[end : end + 4], "little")
            wanted = crc32c(self.inodes.seed(self.inode), raw[:end])
            if found != wanted:
                raise self.volume.damage(f"{where}: checksum {found:#x}, wanted {wanted:#x}")


def read_extents(inodes: Inodes, inode: Inode) -> Mapping:
    """Return the blocks of an inode that is mapped by extents."""
    walk = _Walk(inodes, inode)
    walk.visit(inode.map_root, f"inode {inode.number}: extent root")
    return walk.mapping


def write_extents(
    inodes: Inodes, inode: Inode, runs: list[Run], allocate: Callable[[int], list[int]]
) -> list[int]:
    """Map the inode to ``runs``, without gaps from its first block on.

    Args:
        inodes: The inodes of the filesystem.
        inode: What is mapped; it is changed, but not written.
        runs: Blocks of the content.
        allocate: Gives so many blocks for the tree.

    Returns:
        The blocks of the tree.
    """
    entries = _leaf_entries(runs)
    tree: list[int] = []
    height = 0
    room = inodes.volume.block_size // _ENTRY - 1
    while len(entries) > _ROOT_ENTRIES:
        nodes = [entries[at : at + room] for at in range(0, len(entries), room)]
        blocks = allocate(len(nodes))
        tree += blocks
        for block, node in zip(blocks, nodes, strict=True):
            _write_node(inodes, inode, block, _pack_node(node, room, height))
        entries = [
            (node[0][0], _INDEX.pack(node[0][0], block & 0xFFFFFFFF, block >> 32, 0))
            for block, node in zip(blocks, nodes, strict=True)
        ]
        height += 1
    inode.map_root = _pack_node(entries, _ROOT_ENTRIES, height)
    return tree


def _leaf_entries(runs: list[Run]) -> list[Entry]:
    """Return the entries of leaves for runs that follow each other in the file."""
    entries: list[Entry] = []
    logical = 0
    for run in runs:
        for done in range(0, run.length, _LONGEST):
            length = min(run.length - done, _LONGEST)
            start = run.start + done
            entry = _LEAF.pack(logical, length, start >> 32, start & 0xFFFFFFFF)
            entries.append((logical, entry))
            logical += length
    return entries


def _pack_node(entries: list[Entry], room: int, height: int) -> bytes:
    header = _HEADER.pack(_MAGIC, len(entries), room, height, 0)
    return header + b"".join(entry for _, entry in entries)


def _write_node(inodes: Inodes, inode: Inode, block: int, node: bytes) -> None:
    """Write a node into its block, with its checksum."""
    size = inodes.volume.block_size
    end = size // _ENTRY * _ENTRY
    raw = node.ljust(end, b"\0")
    if inodes.volume.superblock.has_checksums:
        raw += crc32c(inodes.seed(inode), raw).to_bytes(4, "little")
    inodes.volume.write(block, raw.ljust(size, b"\0"))
    inodes.volume.is_new(block, inode.number)
