"""Make an ext4 filesystem longer, while it is not mounted: more blocks, more groups.

Source: kernel ``Documentation/filesystems/ext4/`` (group_descr, super, special_inodes). The last
group is filled up; each new group holds its own bitmaps and inode table. Descriptors that need
another block take it from those that mke2fs reserved behind the table, which the resize inode
keeps: its double indirect block names them, and each of them names its copies in other groups.

Does not move anything, so it ends where the reserved blocks do. Does not grow filesystems with
the feature sparse_super2, whose copy would have to move.
"""

import struct

from builder.errors import FormatError
from builder.formats.disk import MIB, Disk
from builder.formats.ext4.bitmaps import Bitmaps
from builder.formats.ext4.features import Compat
from builder.formats.ext4.filesystem import Ext4
from builder.formats.ext4.groups import INODE_ZEROED, Groups
from builder.formats.ext4.inode import MAP_OFFSET, Inodes
from builder.formats.ext4.superblock import WIDE_DESCRIPTOR, Superblock
from builder.formats.ext4.volume import Volume
from builder.formats.sparse import is_zero

_RESIZE_INODE = 7
_DOUBLE_INDIRECT = MAP_OFFSET + 13 * 4
_SECTOR = 512
_LARGEST_BLOCK_NUMBER = 1 << 32
_HINT = "use a larger base: mke2fs reserves space to grow to 1024 times the initial size"


def grow_ext4(disk: Disk, offset: int, size: int, *, timestamp: int) -> None:
    """Make the filesystem at ``offset`` fill ``size`` bytes, or nearly.

    Raises:
        FormatError: the filesystem is damaged, or cannot grow that far.
    """
    # Opening it replays the journal and refuses what is not clean.
    Ext4(disk, offset, timestamp=timestamp).flush()
    volume = Volume(disk, offset, timestamp=timestamp, name="the root filesystem")
    blocks = _fitting_blocks(volume.superblock, size // volume.block_size)
    if blocks > volume.superblock.blocks_count:
        _Growth(volume, blocks).run()


def _fitting_blocks(superblock: Superblock, blocks: int) -> int:
    """Return ``blocks`` without a last group that could not hold its own tables."""
    last = (blocks - superblock.first_data_block) % superblock.blocks_per_group
    least = superblock.inode_table_blocks + 2 + 1
    least += superblock.descriptor_blocks + superblock.reserved_descriptor_blocks + 50
    return blocks - last if 0 < last < least else blocks


class _Growth:
    """One filesystem that is being made longer."""

    def __init__(self, volume: Volume, blocks: int) -> None:
        self.volume = volume
        self.superblock = volume.superblock
        self.old_blocks = self.superblock.blocks_count
        self.old_groups = self.superblock.groups_count
        self.old_descriptor_blocks = self.superblock.descriptor_blocks
        self.blocks = blocks

    def run(self) -> None:
        """Do it, the superblock last."""
        self._check()
        self._grow_superblock()
        groups = Groups(self.volume)
        bitmaps = Bitmaps(groups)
        self._fill_last_group(groups, bitmaps)
        self._take_descriptor_blocks()
        for group in range(self.old_groups, self.superblock.groups_count):
            self._make_group(group, groups, bitmaps)
        bitmaps.flush()
        groups.flush()
        self._write_resize_inode(groups)
        self.volume.write_superblock()
        self._write_backups()

    def _check(self) -> None:
        """Refuse a filesystem that cannot grow that far."""
        superblock, name = self.superblock, self.volume.name
        if superblock.compat & Compat.SPARSE_SUPER2:
            raise FormatError(f"{name} has the feature sparse_super2: it cannot be grown here")
        groups = -(-(self.blocks - superblock.first_data_block) // superblock.blocks_per_group)
        needed = -(-groups * superblock.descriptor_size // superblock.block_size)
        extra = needed - self.old_descriptor_blocks
        too_long = (
            superblock.descriptor_size < WIDE_DESCRIPTOR and self.blocks >= _LARGEST_BLOCK_NUMBER
        )
        if extra > superblock.reserved_descriptor_blocks or too_long:
            most = (self.old_descriptor_blocks + superblock.reserved_descriptor_blocks) * (
                superblock.block_size // superblock.descriptor_size
            )
            size = most * superblock.blocks_per_group * superblock.block_size // MIB
            raise FormatError(f"{name} cannot be made longer than {size} MiB", hint=_HINT)

    def _grow_superblock(self) -> None:
        """Set the new geometry; counters follow with the groups."""
        superblock = self.superblock
        reserved = superblock.reserved_blocks * self.blocks // self.old_blocks
        superblock.set_blocks_count(self.blocks)
        superblock.reserved_blocks = reserved
        taken = superblock.descriptor_blocks - self.old_descriptor_blocks
        superblock.reserved_descriptor_blocks -= taken
        added = superblock.groups_count - self.old_groups
        superblock.inodes_count += added * superblock.inodes_per_group
        superblock.free_inodes += added * superblock.inodes_per_group
        superblock.overhead = 0

    def _fill_last_group(self, groups: Groups, bitmaps: Bitmaps) -> None:
        """Free the blocks by which the last group became longer."""
        group = self.old_groups - 1
        added = groups.first_block(group) + groups.blocks_in(group) - self.old_blocks
        if not added:
            return
        descriptor = groups[group]
        # Bits past the old end are set; the bitmap is read as if the group still ended there.
        old_count = groups.blocks_in(group) - added
        self.superblock.set_blocks_count(self.old_blocks)
        bits = bitmaps.blocks(group) & ((1 << old_count) - 1)
        self.superblock.set_blocks_count(self.blocks)
        bitmaps.set_blocks(group, bits)
        descriptor.free_blocks += added
        self.superblock.free_blocks += added

    def _take_descriptor_blocks(self) -> None:
        """Clear the reserved blocks that now hold descriptors."""
        superblock = self.superblock
        first = superblock.first_data_block + 1 + self.old_descriptor_blocks
        count = superblock.descriptor_blocks - self.old_descriptor_blocks
        if count:
            self.volume.write(first, bytes(count * superblock.block_size))

    def _make_group(self, group: int, groups: Groups, bitmaps: Bitmaps) -> None:
        """Make one group: its copies, its bitmaps and inode table, the rest free."""
        superblock = self.superblock
        start, count = groups.first_block(group), groups.blocks_in(group)
        used = 0
        if superblock.has_backup(group):
            used = 1 + superblock.descriptor_blocks + superblock.reserved_descriptor_blocks
        descriptor = groups.add(group)
        descriptor.block_bitmap = start + used
        descriptor.inode_bitmap = start + used + 1
        descriptor.inode_table = start + used + 2
        used += 2 + superblock.inode_table_blocks
        descriptor.free_blocks = count - used
        descriptor.free_inodes = superblock.inodes_per_group
        if superblock.has_group_checksums:
            descriptor.unused_inodes = superblock.inodes_per_group
            descriptor.flags = INODE_ZEROED
        superblock.free_blocks += count - used
        self._clear(descriptor.inode_table, superblock.inode_table_blocks)
        bitmaps.set_blocks(group, (1 << used) - 1)
        bitmaps.set_inodes(group, 0)

    def _clear(self, block: int, count: int) -> None:
        """Make blocks zero that are not, and leave holes what they are."""
        size = self.volume.block_size
        at, end = block * size, (block + count) * size
        while at < end:
            length = min(MIB, end - at)
            if not is_zero(self.volume.read_at(at, length)):
                self.volume.write_at(at, bytes(length))
            at += length

    def _write_resize_inode(self, groups: Groups) -> None:
        """Let the resize inode keep the reserved blocks that are left, and all their copies."""
        superblock, volume = self.superblock, self.volume
        if not superblock.compat & Compat.RESIZE_INODE:
            return
        inodes = Inodes(groups)
        inode = inodes.read(_RESIZE_INODE)
        double = struct.unpack_from("<I", inode.raw, _DOUBLE_INDIRECT)[0]
        if not double:
            return
        pointers = superblock.block_size // 4
        table = [0] * pointers
        copies = [g for g in range(1, superblock.groups_count) if superblock.has_backup(g)]
        first = superblock.first_data_block + 1 + superblock.descriptor_blocks
        for index in range(superblock.reserved_descriptor_blocks):
            block = first + index
            table[(superblock.descriptor_blocks + index) % pointers] = block
            named = [block + group * superblock.blocks_per_group for group in copies][:pointers]
            volume.write(
                block, struct.pack(f"<{pointers}I", *named, *[0] * (pointers - len(named)))
            )
        volume.write(double, struct.pack(f"<{pointers}I", *table))
        kept = 1 + superblock.reserved_descriptor_blocks * (1 + len(copies))
        inode.sectors = kept * superblock.block_size // _SECTOR
        inodes.write(inode)
        inodes.flush()

    def _write_backups(self) -> None:
        """Write the superblock and the descriptors into every group that has copies."""
        superblock, volume = self.superblock, self.volume
        size = superblock.block_size
        first = superblock.first_data_block
        table = volume.read(first + 1, superblock.descriptor_blocks)
        for group in range(1, superblock.groups_count):
            if superblock.has_backup(group):
                start = first + group * superblock.blocks_per_group
                copy = superblock.make_copy(group)
                volume.write_at(start * size, copy)
                volume.write(start + 1, table)
