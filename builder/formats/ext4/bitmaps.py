"""ext4 block and inode bitmaps, held as long integers: bit ``n`` is the group's ``n``-th.

Source: kernel ``Documentation/filesystems/ext4/bitmaps.rst`` and ``group_descr.rst``.
A bitmap that was never written (flags BLOCK_UNINIT, INODE_UNINIT) is derived from the
layout of its group.
"""

from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.groups import BLOCK_UNINIT, INODE_UNINIT, Descriptor, Groups
from builder.formats.ext4.superblock import WIDE_DESCRIPTOR


class Bitmaps:
    """The bitmaps that were looked at, and which of them changed."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.volume = groups.volume
        self._blocks: dict[int, int] = {}
        self._inodes: dict[int, int] = {}
        self._dirty_blocks: set[int] = set()
        self._dirty_inodes: set[int] = set()

    def blocks(self, group: int) -> int:
        """Return the block bitmap of ``group``."""
        if group not in self._blocks:
            descriptor = self.groups[group]
            if descriptor.flags & BLOCK_UNINIT and self.volume.superblock.has_group_checksums:
                bits = self._derive_blocks(group)
                descriptor.flags &= ~BLOCK_UNINIT
                self._dirty_blocks.add(group)
            else:
                bits = self._read_blocks(descriptor)
            self._blocks[group] = bits
        return self._blocks[group]

    def inodes(self, group: int) -> int:
        """Return the inode bitmap of ``group``."""
        if group not in self._inodes:
            descriptor = self.groups[group]
            if descriptor.flags & INODE_UNINIT and self.volume.superblock.has_group_checksums:
                if descriptor.free_inodes != self.volume.superblock.inodes_per_group:
                    raise self.volume.damage(f"group {group}: inodes in use, but no inode bitmap")
                descriptor.unused_inodes = descriptor.free_inodes
                descriptor.flags &= ~INODE_UNINIT
                self._dirty_inodes.add(group)
                self._inodes[group] = 0
            else:
                self._inodes[group] = self._read_inodes(descriptor)
        return self._inodes[group]

    def set_blocks(self, group: int, bits: int) -> None:
        """Replace the block bitmap of ``group``."""
        self._blocks[group] = bits
        self._dirty_blocks.add(group)

    def set_inodes(self, group: int, bits: int) -> None:
        """Replace the inode bitmap of ``group``."""
        self._inodes[group] = bits
        self._dirty_inodes.add(group)

    def flush(self) -> None:
        """Write the bitmaps that changed, and their checksums into the descriptors."""
        superblock = self.volume.superblock
        for group in sorted(self._dirty_blocks):
            raw = self._pack(self._blocks[group], self.groups.blocks_in(group))
            descriptor = self.groups[group]
            self.volume.write(descriptor.block_bitmap, raw)
            if superblock.has_checksums:
                crc = crc32c(superblock.seed, raw[: superblock.blocks_per_group // 8])
                descriptor.block_bitmap_checksum = crc
            self.groups.touch(group)
        for group in sorted(self._dirty_inodes):
            raw = self._pack(self._inodes[group], superblock.inodes_per_group)
            descriptor = self.groups[group]
            self.volume.write(descriptor.inode_bitmap, raw)
            if superblock.has_checksums:
                crc = crc32c(superblock.seed, raw[: superblock.inodes_per_group // 8])
                descriptor.inode_bitmap_checksum = crc
            self.groups.touch(group)
        self._dirty_blocks.clear()
        self._dirty_inodes.clear()

    def _pack(self, bits: int, count: int) -> bytes:
        """Return the block of a bitmap; bits past ``count`` are set."""
        total = 8 * self.volume.block_size
        bits |= ((1 << total) - 1) ^ ((1 << count) - 1)
        return bits.to_bytes(self.volume.block_size, "little")

    def _read_blocks(self, descriptor: Descriptor) -> int:
        volume, group = self.volume, descriptor.group
        raw = volume.read(descriptor.block_bitmap)
        wanted = raw[: volume.superblock.blocks_per_group // 8]
        self._check_sum(wanted, descriptor.block_bitmap_checksum, f"block bitmap of group {group}")
        count = self.groups.blocks_in(group)
        bits = int.from_bytes(raw, "little") & ((1 << count) - 1)
        free = count - bits.bit_count()
        if free != descriptor.free_blocks:
            raise volume.damage(
                f"block bitmap of group {group}: {free} blocks free,"
                f" the descriptor says {descriptor.free_blocks}"
            )
        return bits

    def _read_inodes(self, descriptor: Descriptor) -> int:
        """Read and check an inode bitmap."""
        volume, group = self.volume, descriptor.group
        raw = volume.read(descriptor.inode_bitmap)
        count = volume.superblock.inodes_per_group
        wanted = raw[: count // 8]
        self._check_sum(wanted, descriptor.inode_bitmap_checksum, f"inode bitmap of group {group}")
        bits = int.from_bytes(wanted, "little")
        free = count - bits.bit_count()
        if free != descriptor.free_inodes:
            raise volume.damage(
                f"inode bitmap of group {group}: {free} inodes free,"
                f" the descriptor says {descriptor.free_inodes}"
            )
        return bits

    def _check_sum(self, raw: bytes, found: int, what: str) -> None:
        """Compare the checksum of a bitmap; short descriptors keep its low half only."""
        superblock = self.volume.superblock
        if not superblock.has_checksums:
            return
        wanted = crc32c(superblock.seed, raw)
        if superblock.descriptor_size < WIDE_DESCRIPTOR:
            wanted &= 0xFFFF
        if found != wanted:
            raise self.volume.damage(f"{what}: checksum {found:#x}, wanted {wanted:#x}")

    def _derive_blocks(self, group: int) -> int:
        """Return the bitmap of a group that holds nothing but the filesystem's own tables."""
        groups = self.groups
        everything = range(self.volume.superblock.groups_count)
        for candidates in (groups.flex_groups(group), everything):
            bits = 0
            for run in groups.iter_own_blocks(group, candidates):
                bits |= ((1 << len(run)) - 1) << (run.start - groups.first_block(group))
            if groups.blocks_in(group) - bits.bit_count() == groups[group].free_blocks:
                return bits
        raise self.volume.damage(
            f"group {group} has no block bitmap, and {groups[group].free_blocks} free blocks"
            " do not follow from its layout"
        )
