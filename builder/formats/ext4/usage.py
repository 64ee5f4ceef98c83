"""Allocated blocks of an ext4 filesystem, which a copy must include even if they are zero.

Source: kernel ``Documentation/filesystems/ext4/``: block bitmaps, and ``bg_itable_unused`` in
``group_descr.rst``. The ends of inode tables that were never used are left out, as mkfs leaves
them: they are written in full before an inode is created there.
"""

from collections.abc import Iterator

from builder.formats.ext4.bitmaps import Bitmaps
from builder.formats.ext4.groups import Groups
from builder.formats.ext4.runs import Run


def iter_used(groups: Groups, bitmaps: Bitmaps) -> Iterator[Run]:
    """Yield the blocks in use, ascending; neighbours may come as several runs."""
    unused = _unused_inode_blocks(groups)
    for group in range(groups.volume.superblock.groups_count):
        first = groups.first_block(group)
        bits = bitmaps.blocks(group)
        for run in unused.get(group, ()):
            bits &= ~(((1 << run.length) - 1) << (run.start - first))
        for start, length in _runs(bits):
            yield Run(first + start, length)


def _unused_inode_blocks(groups: Groups) -> dict[int, list[Run]]:
    """Return the whole blocks at the ends of inode tables without an inode, by where they lie."""
    superblock = groups.volume.superblock
    found: dict[int, list[Run]] = {}
    if not superblock.has_group_checksums:
        return found
    for group in range(superblock.groups_count):
        descriptor = groups[group]
        count = descriptor.unused_inodes * superblock.inode_size // superblock.block_size
        start = descriptor.inode_table + superblock.inode_table_blocks - count
        while count:
            home = groups.group_of(start)
            length = min(count, groups.first_block(home) + groups.blocks_in(home) - start)
            found.setdefault(home, []).append(Run(start, length))
            start, count = start + length, count - length
    return found


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """Yield first bit and number of each run of ones."""
    start = 0
    while bits:
        zeros = (bits & -bits).bit_length() - 1
        bits >>= zeros
        ones = (~bits & (bits + 1)).bit_length() - 1
        bits >>= ones
        yield start + zeros, ones
        start += zeros + ones
