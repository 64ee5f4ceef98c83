"""Block pointers of ext2 and ext3, which ext4 still reads: 12 direct, 3 trees of pointers.

Source: kernel ``Documentation/filesystems/ext4/blockmap.rst``. Fifteen words of 4 bytes in
the inode: blocks 0 to 11, then a block of pointers, one of pointers to such blocks, and
one level more. A pointer of zero is a hole.
"""

import struct
from collections.abc import Callable, Iterator

from builder.errors import GuestError
from builder.formats.ext4.inode import Inode, Inodes
from builder.formats.ext4.runs import Extent, Mapping, Run

_DIRECT = 12
_TREES = 3


class _Walk:
    """One reading of the pointers."""

    def __init__(self, inodes: Inodes, inode: Inode) -> None:
        self.inodes = inodes
        self.volume = inodes.volume
        self.where = f"inode {inode.number}: block map"
        self.mapping = Mapping()
        self.per_block = inodes.volume.block_size // 4
        self._seen: set[int] = set()
        self._mapped = 0

    def add(self, logical: int, block: int) -> None:
        """Take the pointer to a block of content."""
        extents = self.mapping.extents
        last = extents[-1] if extents else Extent(0, 0, 0)
        self._mapped += 1
        if self._mapped > self.volume.superblock.blocks_count:
            raise self.volume.damage(f"{self.where}: more blocks than the filesystem has")
        if last.logical + last.length == logical and last.start + last.length == block:
            extents[-1] = Extent(last.logical, last.start, last.length + 1)
        else:
            extents.append(Extent(logical, block, 1))

    def visit(self, block: int, height: int, logical: int) -> None:
        """Read a block of pointers and what lies below."""
        if block in self._seen:
            raise self.volume.damage(f"{self.where}: block {block} is used twice")
        self._seen.add(block)
        self.inodes.groups.check_usable(block, 1, self.where)
        self.mapping.tree.append(block)
        pointers = struct.unpack(f"<{self.per_block}I", self.volume.read(block))
        span = self.per_block ** (height - 1)
        for index, pointer in enumerate(pointers):
            if not pointer:
                continue
            if height > 1:
                self.visit(pointer, height - 1, logical + index * span)
            else:
                self.add(logical + index, pointer)


def read_block_map(inodes: Inodes, inode: Inode) -> Mapping:
    """Return the blocks of an inode that is mapped by pointers."""
    walk = _Walk(inodes, inode)
    pointers = struct.unpack("<15I", inode.map_root)
    for logical, pointer in enumerate(pointers[:_DIRECT]):
        if pointer:
            walk.add(logical, pointer)
    logical = _DIRECT
    for height in range(1, _TREES + 1):
        if pointers[_DIRECT + height - 1]:
            walk.visit(pointers[_DIRECT + height - 1], height, logical)
        logical += walk.per_block**height
    for extent in walk.mapping.extents:
        inodes.groups.check_usable(extent.start, extent.length, walk.where)
    return walk.mapping


def write_block_map(
    inodes: Inodes, inode: Inode, runs: list[Run], allocate: Callable[[int], list[int]]
) -> list[int]:
    """Map the inode to ``runs``, without gaps; returns the blocks of pointers.

    Raises:
        GuestError: the file is too long for three trees of pointers.
    """
    blocks = [run.start + index for run in runs for index in range(run.length)]
    if blocks and max(blocks) >= 1 << 32:
        raise GuestError(f"{inodes.volume.name}: block {max(blocks)} needs the feature extent")
    per_block = inodes.volume.block_size // 4
    tree: list[int] = []

    def pack(part: list[int], height: int) -> int:
        """Write the pointers to ``part``; returns the block at their root."""
        (block,) = allocate(1)
        tree.append(block)
        if height > 1:
            part = [pack(below, height - 1) for below in _pieces(part, per_block ** (height - 1))]
        raw = struct.pack(f"<{len(part)}I", *part)
        inodes.volume.write(block, raw.ljust(inodes.volume.block_size, b"\0"))
        return block

    pointers = blocks[:_DIRECT] + [0] * (_DIRECT - len(blocks))
    rest = blocks[_DIRECT:]
    for height in range(1, _TREES + 1):
        span = per_block**height
        pointers.append(pack(rest[:span], height) if rest else 0)
        rest = rest[span:]
    if rest:
        raise GuestError(f"{inodes.volume.name}: a file of {len(blocks)} blocks is too long")
    inode.map_root = struct.pack("<15I", *pointers)
    return tree


def _pieces(blocks: list[int], size: int) -> Iterator[list[int]]:
    """Cut a list into pieces of ``size``."""
    for start in range(0, len(blocks), size):
        yield blocks[start : start + size]
