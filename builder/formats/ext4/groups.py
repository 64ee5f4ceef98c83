"""ext4 block groups: their descriptors, and the blocks that no file may use.

Source: kernel ``Documentation/filesystems/ext4/group_descr.rst``. A descriptor has 32
bytes, or the superblock's descriptor size with feature 64bit; high halves at 0x20 on.

    offset  high  size  field
    0x00    0x20  4     block of the block bitmap
    0x04    0x24  4     block of the inode bitmap
    0x08    0x28  4     first block of the inode table
    0x0c    0x2c  2     free blocks
    0x0e    0x2e  2     free inodes
    0x10    0x30  2     directories
    0x12          2     flags: 1 inode bitmap not made yet, 2 block bitmap not made yet,
                        4 inode table zeroed
    0x18    0x38  2     checksum of the block bitmap
    0x1a    0x3a  2     checksum of the inode bitmap
    0x1c    0x32  2     inodes at the end of the table that were never used
    0x1e          2     checksum of the descriptor

Descriptors are read when they are asked for, so that opening a large filesystem costs
no more than opening a small one.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator

from builder.formats.ext4.checksum import crc16, crc32c
from builder.formats.ext4.features import Incompat
from builder.formats.ext4.fields import Field, SplitField
from builder.formats.ext4.volume import Volume

INODE_UNINIT, BLOCK_UNINIT, INODE_ZEROED = 1, 2, 4


class Descriptor:
    """One group's descriptor."""

    __slots__ = ("group", "raw")

    block_bitmap = SplitField("I", 0x00, 0x20)
    inode_bitmap = SplitField("I", 0x04, 0x24)
    inode_table = SplitField("I", 0x08, 0x28)
    free_blocks = SplitField("H", 0x0C, 0x2C)
    free_inodes = SplitField("H", 0x0E, 0x2E)
    directories = SplitField("H", 0x10, 0x30)
    flags = Field("H", 0x12)
    block_bitmap_checksum = SplitField("H", 0x18, 0x38)
    inode_bitmap_checksum = SplitField("H", 0x1A, 0x3A)
    unused_inodes = SplitField("H", 0x1C, 0x32)
    checksum = Field("H", 0x1E)

    def __init__(self, group: int, raw: bytes) -> None:
        self.group = group
        self.raw = bytearray(raw)


class Groups:
    """The group descriptors of a filesystem."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self._blocks: dict[int, bytes] = {}
        self._loaded: dict[int, Descriptor] = {}
        self._dirty: set[int] = set()
        self._all_are_checked = False
        self._zones: dict[int, tuple[list[int], list[int]]] = {}

    def __getitem__(self, group: int) -> Descriptor:
        """Return the descriptor of ``group``, checked."""
        found = self._loaded.get(group)
        if found is None:
            found = self._loaded[group] = self._load(group)
        return found

    def add(self, group: int) -> Descriptor:
        """Return the empty descriptor of a group that is being made."""
        raw = bytes(self.volume.superblock.descriptor_size)
        self._loaded[group] = Descriptor(group, raw)
        self.touch(group)
        return self._loaded[group]

    def touch(self, group: int) -> None:
        """Have the descriptor written at the next flush."""
        self._dirty.add(group)

    def first_block(self, group: int) -> int:
        """Return the number of the group's first block."""
        superblock = self.volume.superblock
        return superblock.first_data_block + group * superblock.blocks_per_group

    def blocks_in(self, group: int) -> int:
        """Return how many blocks the group has; the last one may be short."""
        superblock = self.volume.superblock
        rest = superblock.blocks_count - self.first_block(group)
        return min(superblock.blocks_per_group, rest)

    def group_of(self, block: int) -> int:
        """Return the group that holds ``block``."""
        superblock = self.volume.superblock
        return (block - superblock.first_data_block) // superblock.blocks_per_group

    def check_usable(self, block: int, count: int, what: str) -> None:
        """Refuse blocks outside the filesystem, or that hold its own structures."""
        self.volume.check_range(block, count, what)
        for group in range(self.group_of(block), self.group_of(block + count - 1) + 1):
            starts, ends = self._own_zones(group)
            place = bisect_right(starts, block + count - 1) - 1
            if place >= 0 and ends[place] > block:
                raise self.volume.damage(
                    f"{what} names the blocks {block} to {block + count - 1},"
                    f" which hold group descriptors, bitmaps or inodes"
                )

    def iter_own_blocks(self, group: int, groups: Iterator[int] | range) -> Iterator[range]:
        """Yield what lies in ``group`` of its own header and of the tables of ``groups``."""
        superblock = self.volume.superblock
        start = self.first_block(group)
        end = start + self.blocks_in(group)
        if superblock.has_backup(group):
            size = 1 + superblock.descriptor_blocks + superblock.reserved_descriptor_blocks
            yield range(start, min(start + size, end))
        for first, count in self._iter_tables(groups):
            clipped = range(max(first, start), min(first + count, end))
            if clipped:
                yield clipped

    def flex_groups(self, group: int) -> range:
        """Return the groups whose tables lie together with those of ``group``."""
        superblock = self.volume.superblock
        size = 1
        if superblock.incompat & Incompat.FLEX_BG:
            size = 1 << superblock.log_flex_groups
        first = group // size * size
        return range(first, min(first + size, superblock.groups_count))

    def flush(self) -> None:
        """Write the descriptors that were touched; all are checked before the first is.

        Raises:
            FormatError: one is damaged.
        """
        if self._dirty and not self._all_are_checked:
            for group in range(self.volume.superblock.groups_count):
                self[group]
            self._all_are_checked = True
        for group in sorted(self._dirty):
            descriptor = self._loaded[group]
            if self.volume.superblock.has_group_checksums:
                descriptor.checksum = self._checksum(descriptor)
            block, offset = self._position(group)
            self.volume.write_at(block * self.volume.block_size + offset, descriptor.raw)
        self._dirty.clear()

    def _position(self, group: int) -> tuple[int, int]:
        """Return the block that holds a descriptor, and the offset in it."""
        superblock = self.volume.superblock
        blocks, offset = divmod(group * superblock.descriptor_size, superblock.block_size)
        return superblock.first_data_block + 1 + blocks, offset

    def _load(self, group: int) -> Descriptor:
        volume = self.volume
        if not 0 <= group < volume.superblock.groups_count:
            raise volume.damage(f"group {group} of {volume.superblock.groups_count}")
        block, offset = self._position(group)
        if block not in self._blocks:
            self._blocks[block] = volume.read(block)
        raw = self._blocks[block][offset : offset + volume.superblock.descriptor_size]
        descriptor = Descriptor(group, raw)
        if volume.superblock.has_group_checksums:
            wanted = self._checksum(descriptor)
            if descriptor.checksum != wanted:
                raise volume.damage(
                    f"group descriptor {group}: checksum {descriptor.checksum:#06x},"
                    f" wanted {wanted:#06x}"
                )
        self._check(descriptor)
        return descriptor

    def _check(self, descriptor: Descriptor) -> None:
        """Refuse places and counts that cannot be."""
        superblock, what = self.volume.superblock, f"group descriptor {descriptor.group}"
        self.volume.check_range(descriptor.block_bitmap, 1, f"{what}, block bitmap,")
        self.volume.check_range(descriptor.inode_bitmap, 1, f"{what}, inode bitmap,")
        count = superblock.inode_table_blocks
        self.volume.check_range(descriptor.inode_table, count, f"{what}, inode table,")
        counts = (descriptor.free_inodes, descriptor.directories, descriptor.unused_inodes)
        if descriptor.free_blocks > self.blocks_in(descriptor.group):
            raise self.volume.damage(f"{what}: {descriptor.free_blocks} free blocks")
        if max(counts) > superblock.inodes_per_group:
            raise self.volume.damage(f"{what}: counts of inodes above the group's size")

    def _checksum(self, descriptor: Descriptor) -> int:
        """Return the checksum that the descriptor should have."""
        superblock, raw = self.volume.superblock, descriptor.raw
        number = struct.pack("<I", descriptor.group)
        if superblock.has_checksums:
            cleared = raw[:0x1E] + b"\0\0" + raw[0x20:]
            return crc32c(crc32c(superblock.seed, number), cleared) & 0xFFFF
        crc = crc16(crc16(0xFFFF, superblock.raw[0x68:0x78]), number)
        return crc16(crc, raw[:0x1E] + raw[0x20:])

    def _iter_tables(self, groups: Iterator[int] | range) -> Iterator[tuple[int, int]]:
        """Yield first block and length of the bitmaps and inode tables of ``groups``."""
        size = self.volume.superblock.inode_table_blocks
        for group in groups:
            descriptor = self[group]
            yield descriptor.block_bitmap, 1
            yield descriptor.inode_bitmap, 1
            yield descriptor.inode_table, size

    def _own_zones(self, group: int) -> tuple[list[int], list[int]]:
        """Return starts and ends of the runs in ``group`` that no file may use."""
        if group not in self._zones:
            runs = self.iter_own_blocks(group, self.flex_groups(group))
            ordered = sorted((run.start, run.stop) for run in runs)
            self._zones[group] = [s for s, _ in ordered], [e for _, e in ordered]
        return self._zones[group]
