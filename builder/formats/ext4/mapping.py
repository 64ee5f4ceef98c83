"""Where the content of an ext4 inode lies, by extents or by block pointers."""

import struct

from builder.errors import GuestError
from builder.formats.ext4.allocator import Allocator
from builder.formats.ext4.blockmap import read_block_map, write_block_map
from builder.formats.ext4.extents import read_extents, write_extents
from builder.formats.ext4.inode import EXTENTS_FLAG, HUGE_FILE_FLAG, Inode, Inodes
from builder.formats.ext4.runs import Mapping, Run, join_runs

_SECTOR = 512


class Mapper:
    """Reads and replaces the mapping of inodes."""

    def __init__(self, inodes: Inodes, allocator: Allocator) -> None:
        self.inodes = inodes
        self.groups = inodes.groups
        self.volume = inodes.volume
        self.allocator = allocator
        self._known: dict[int, tuple[bytes, list[int]]] = {}

    def read(self, inode: Inode) -> Mapping:
        """Return the blocks of an inode."""
        read = read_extents if inode.flags & EXTENTS_FLAG else read_block_map
        mapping = read(self.inodes, inode)
        if mapping.blocks_count > self.volume.superblock.blocks_count:
            raise self.volume.damage(f"inode {inode.number}: maps more blocks than there are")
        return mapping

    def blocks(self, inode: Inode) -> list[int]:
        """Return the blocks of a directory or symbolic link, which has no holes.

        They are cached until the mapping changes: each lookup of a name needs them.
        """
        known = self._known.get(inode.number)
        if known is None or known[0] != _state(inode):
            known = self._known[inode.number] = (_state(inode), self._read_blocks(inode))
        return list(known[1])

    def _read_blocks(self, inode: Inode) -> list[int]:
        """Return the blocks of an inode without holes, checked."""
        count, rest = divmod(inode.size, self.volume.block_size)
        count += bool(rest)
        if inode.is_directory and (rest or not count):
            raise self.volume.damage(f"inode {inode.number}: a directory of {inode.size} bytes")
        blocks: list[int] = []
        for extent in self.read(inode).extents:
            if extent.logical != len(blocks) or not extent.written:
                break
            blocks.extend(range(extent.start, extent.start + extent.length))
        if len(blocks) < count:
            raise self.volume.damage(
                f"inode {inode.number}: {len(blocks)} blocks, wanted {count} without holes"
            )
        return blocks[:count]

    def assign(self, inode: Inode, runs: list[Run]) -> None:
        """Map an inode that has no blocks to ``runs``; the inode is not written."""
        self._known.pop(inode.number, None)

        def allocate(count: int) -> list[int]:
            near = self.near(inode)
            runs = self.allocator.allocate(count, near)
            return [run.start + index for run in runs for index in range(run.length)]

        if self.volume.superblock.has_extents:
            inode.flags |= EXTENTS_FLAG
            tree = write_extents(self.inodes, inode, runs, allocate)
        else:
            tree = write_block_map(self.inodes, inode, runs, allocate)
        count = sum(run.length for run in runs) + len(tree) + bool(inode.attributes_block)
        inode.flags &= ~HUGE_FILE_FLAG
        inode.sectors = count * (self.volume.block_size // _SECTOR)

    def append(self, inode: Inode) -> int:
        """Give a directory one block more; the inode is not written."""
        mapping = self.read(inode)
        blocks = self.blocks(inode)
        (new,) = self.allocator.allocate(1, self.groups.group_of(blocks[-1]))
        for block in mapping.tree:
            self.allocator.free(Run(block, 1), f"inode {inode.number}")
        held = {block for run in mapping.extents for block in range(run[1], run[1] + run[2])}
        for block in sorted(held.difference(blocks)):
            self.allocator.free(Run(block, 1), f"inode {inode.number}")
        self.assign(inode, join_runs([*(Run(block, 1) for block in blocks), new]))
        inode.size += self.volume.block_size
        return new.start

    def release(self, inode: Inode) -> None:
        """Free all blocks of content; the inode is not written."""
        if not inode.is_mapped:
            return
        self._known.pop(inode.number, None)
        mapping = self.read(inode)
        what = f"inode {inode.number}"
        for extent in mapping.extents:
            self.allocator.free(Run(extent.start, extent.length), what)
        for block in mapping.tree:
            self.allocator.free(Run(block, 1), what)

    def near(self, inode: Inode) -> int:
        """Return the group of an inode."""
        return (inode.number - 1) // self.volume.superblock.inodes_per_group

    def check_size(self, size: int, path: str) -> None:
        """Refuse a file that the format cannot hold."""
        superblock = self.volume.superblock
        blocks = -(-size // self.volume.block_size)
        limit = 1 << 32
        if not superblock.has_huge_files:
            limit = limit * _SECTOR // self.volume.block_size
        if not superblock.has_extents:
            per_block = self.volume.block_size // 4
            limit = min(limit, 12 + per_block + per_block**2 + per_block**3)
        if blocks >= limit:
            raise GuestError(f"{self.volume.name}: {path}: {size} bytes are more than a file holds")


def _state(inode: Inode) -> bytes:
    """Return what decides which blocks an inode has, but for the blocks of its mapping."""
    return struct.pack("<HQI", inode.mode, inode.size, inode.flags) + inode.map_root
