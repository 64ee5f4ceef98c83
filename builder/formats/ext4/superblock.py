"""The ext4 superblock: geometry, features, counters and the seeds of checksums.

Source: kernel ``Documentation/filesystems/ext4/super.rst``; 1024 bytes, 1024 bytes into
the filesystem, little endian. Only the primary copy is read and written, as e2fsprogs
does when it makes small edits.

    offset  size  field
    0x00    4     number of inodes
    0x04    4     number of blocks; high half at 0x150
    0x0c    4     free blocks; high half at 0x158
    0x10    4     free inodes
    0x14    4     first data block: 1 with blocks of 1 KiB, else 0
    0x18    4     block size, 1024 << n bytes
    0x20    4     blocks in a group
    0x28    4     inodes in a group
    0x30    4     time of the last write
    0x38    2     magic, 0xEF53
    0x3a    2     state: 1 clean, 2 errors found, 4 orphans being recovered
    0x4c    4     revision, 1
    0x54    4     first inode that is not reserved
    0x58    2     inode size, bytes
    0x5c    3*4   compatible, incompatible and read-only-compatible features
    0x68    16    UUID
    0x78    16    label
    0xce    2     blocks reserved after the group descriptors
    0xe0    3*4   journal inode, journal device, head of the orphan list
    0xec    16    seed of directory hashes; version at 0xfc
    0xfe    2     group descriptor size, with feature 64bit
    0x15e   2     inode bytes wanted beyond 128
    0x160   4     flags: 2 directory hashes take characters as unsigned
    0x174   1     groups in a flexible group, 1 << n
    0x175   1     checksum algorithm, 1 (CRC-32C)
    0x24c   2*4   groups with a backup, with feature sparse_super2
    0x270   4     seed of checksums, with feature metadata_csum_seed
    0x274   1     high byte of the time of the last write
    0x280   4     inode of the orphan file
    0x3fc   4     CRC-32C of the bytes before
"""

import struct
import uuid

from builder.errors import FormatError
from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.features import Compat, Incompat, ReadOnly, refused_features
from builder.formats.ext4.fields import Field, Fixed, SplitField

OFFSET = 1024
SIZE = 1024
MAGIC = 0xEF53
_ALL_ONES = 0xFFFFFFFF
_CLEAN, _ERRORS = 1, 2
_MAX_PER_GROUP = (1 << 16) - 8
_MAX_LOG_BLOCK, _MAX_LOG_FLEX = 5, 31
_SMALLEST_BLOCK, _SMALLEST_INODE = 1024, 128
_RESERVED_INODES = 10
WIDE_DESCRIPTOR = 64
_WIDE_DESCRIPTORS = (64, 128, 256, 512, 1024)
_REPAIR = "run e2fsck -f on a copy of the filesystem, or take another base"


class Superblock:
    """The superblock's bytes and what they say; checked when made."""

    inodes_count = Field("I", 0x00)
    log_block_size = Fixed("I", 0x18)
    first_data_block = Fixed("I", 0x14)
    blocks_per_group = Fixed("I", 0x20)
    inodes_per_group = Fixed("I", 0x28)
    free_inodes = Field("I", 0x10)
    overhead = Field("I", 0x248)
    reserved_blocks = SplitField("I", 0x08, 0x154)
    magic = Field("H", 0x38)
    state = Field("H", 0x3A)
    revision = Field("I", 0x4C)
    first_inode = Fixed("I", 0x54)
    inode_size = Fixed("H", 0x58)
    compat = Field("I", 0x5C)
    incompat = Field("I", 0x60)
    read_only = Field("I", 0x64)
    reserved_descriptor_blocks = Field("H", 0xCE)
    journal_inode = Fixed("I", 0xE0)
    journal_device = Field("I", 0xE4)
    last_orphan = Field("I", 0xE8)
    wanted_extra_size = Fixed("H", 0x15E)
    flags = Field("I", 0x160)
    log_flex_groups = Field("B", 0x174)
    checksum_type = Field("B", 0x175)
    checksum_seed = Field("I", 0x270)
    orphan_file = Field("I", 0x280)
    checksum = Field("I", 0x3FC)
    _blocks_low = Field("I", 0x04)
    _blocks = SplitField("I", 0x04, 0x150)
    _free_low = Field("I", 0x0C)
    _free = SplitField("I", 0x0C, 0x158)
    _descriptor_size = Field("H", 0xFE)
    _write_time = SplitField("I", 0x30, 0x274, "B")

    def __init__(self, raw: bytes, name: str) -> None:
        self.raw = bytearray(raw)
        self.name = name
        if self.magic != MAGIC:
            raise FormatError(
                f"{name}: no ext4 superblock: magic {self.magic:#06x}, wanted {MAGIC:#06x}"
            )
        if self.revision != 1:
            raise self._damage(f"revision {self.revision}, wanted 1")
        self._check_checksum()
        self._check_features()
        self.has_checksums = bool(self.read_only & ReadOnly.METADATA_CSUM)
        self.has_group_checksums = bool(
            self.read_only & (ReadOnly.UNINIT_BG | ReadOnly.METADATA_CSUM)
        )
        self.has_huge_files = bool(self.read_only & ReadOnly.HUGE_FILE)
        self._is_64bit = bool(self.incompat & Incompat.SIXTY_FOUR_BIT)
        self.has_extents = bool(self.incompat & Incompat.EXTENT)
        self._check_geometry()
        self.block_size = 1024 << self.log_block_size
        self.blocks_count = self._blocks if self._is_64bit else self._blocks_low
        self.descriptor_size = self._descriptor_size if self._is_64bit else 32
        self._check_counts()
        self._check_inodes()
        self.seed = self._make_seed()

    @property
    def groups_count(self) -> int:
        """Number of block groups."""
        return -(-(self.blocks_count - self.first_data_block) // self.blocks_per_group)

    @property
    def descriptor_blocks(self) -> int:
        """Blocks that the group descriptors fill."""
        return -(-self.groups_count * self.descriptor_size // self.block_size)

    @property
    def inode_table_blocks(self) -> int:
        """Blocks of one group's inode table."""
        return -(-self.inodes_per_group * self.inode_size // self.block_size)

    @property
    def extra_size(self) -> int:
        """Bytes that a new inode uses beyond the first 128."""
        room = self.inode_size - 128
        return min(max(32, self.wanted_extra_size & ~3), room) if room else 0

    @property
    def free_blocks(self) -> int:
        """Blocks that are not allocated."""
        return self._free if self._is_64bit else self._free_low

    @free_blocks.setter
    def free_blocks(self, value: int) -> None:
        if self._is_64bit:
            self._free = value
        else:
            self._free_low = value

    def set_blocks_count(self, count: int) -> None:
        """Set the number of blocks; the groups follow from it."""
        if self._is_64bit:
            self._blocks = count
        else:
            self._blocks_low = count
        self.blocks_count = count

    def make_copy(self, group: int) -> bytes:
        """Return the copy that a group begins with."""
        copy = Superblock(bytes(self.raw), self.name)
        copy.raw[0x5A:0x5C] = group.to_bytes(2, "little")
        if copy.has_checksums:
            copy.checksum = crc32c(_ALL_ONES, copy.raw[:0x3FC])
        return bytes(copy.raw)

    @property
    def label(self) -> str:
        """The volume name."""
        return self.raw[0x78:0x88].split(b"\0")[0].decode("utf-8", "replace")

    @property
    def uuid(self) -> uuid.UUID:
        """The filesystem's identifier."""
        return uuid.UUID(bytes=bytes(self.raw[0x68:0x78]))

    @property
    def hash_seed(self) -> tuple[int, ...]:
        """The four words that directory hashes start from."""
        return struct.unpack_from("<4I", self.raw, 0xEC)

    @property
    def needs_recovery(self) -> bool:
        """Return whether the journal holds what is not in place yet."""
        return bool(self.incompat & Incompat.NEEDS_RECOVERY)

    def has_backup(self, group: int) -> bool:
        """Return whether ``group`` begins with a copy of the superblock."""
        if self.compat & Compat.SPARSE_SUPER2:
            return group == 0 or group in struct.unpack_from("<2I", self.raw, 0x24C)
        if group in (0, 1) or not self.read_only & ReadOnly.SPARSE_SUPER:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))

    def seal(self, timestamp: int) -> None:
        """Set the time of the write and the checksum."""
        self._write_time = timestamp
        if self.has_checksums:
            self.checksum = crc32c(_ALL_ONES, self.raw[:0x3FC])

    def check_is_clean(self) -> None:
        """Refuse a filesystem with errors, orphans or an unfinished mount."""
        found = ""
        if self.state & _ERRORS:
            found = "it is marked as having errors"
        elif not self.state & _CLEAN:
            found = "it was not cleanly unmounted"
        elif self.last_orphan:
            found = f"deleted files wait for removal (orphan list, inode {self.last_orphan})"
        if found:
            raise FormatError(f"{self.name}: {found}; wanted a clean filesystem", hint=_REPAIR)

    def _damage(self, found: str) -> FormatError:
        """Return the error for a field that cannot be."""
        return FormatError(f"{self.name}: superblock: {found}", hint=_REPAIR)

    def _check_checksum(self) -> None:
        """Compare the checksum, when there is one."""
        if not self.read_only & ReadOnly.METADATA_CSUM:
            return
        if self.checksum_type != 1:
            raise self._damage(f"checksum algorithm {self.checksum_type}, wanted 1 (crc32c)")
        wanted = crc32c(_ALL_ONES, self.raw[:0x3FC])
        if self.checksum != wanted:
            raise self._damage(f"checksum {self.checksum:#010x}, wanted {wanted:#010x}")

    def _check_features(self) -> None:
        """Refuse what this codec does not know how to keep right."""
        refused = refused_features(self.compat, self.incompat, self.read_only)
        if refused:
            raise FormatError(
                f"{self.name}: the filesystem has the feature {', '.join(refused)}, "
                "which cannot be edited here",
                hint="make the base without it: mke2fs -O ^" + ",^".join(refused),
            )
        if self.compat & Compat.HAS_JOURNAL and (self.journal_device or not self.journal_inode):
            raise self._damage("the journal is on another device; wanted one inside")
        if self.needs_recovery and not self.compat & Compat.HAS_JOURNAL:
            raise self._damage("feature needs_recovery without has_journal")

    def _check_geometry(self) -> None:
        """Check the sizes that all other numbers are multiples of."""
        if self.log_block_size > _MAX_LOG_BLOCK:
            raise self._damage(f"block size 1024 << {self.log_block_size}, wanted 32 KiB at most")
        size = 1024 << self.log_block_size
        if self.first_data_block != (size == _SMALLEST_BLOCK):
            raise self._damage(f"first data block {self.first_data_block} with {size}-byte blocks")
        for what, count in (("blocks", self.blocks_per_group), ("inodes", self.inodes_per_group)):
            if not 0 < count <= min(8 * size, _MAX_PER_GROUP) or count % 8:
                raise self._damage(f"{count} {what} in a group")
        if self.log_flex_groups > _MAX_LOG_FLEX:
            raise self._damage(f"flexible groups of 1 << {self.log_flex_groups}")
        if self._is_64bit and self._descriptor_size not in _WIDE_DESCRIPTORS:
            raise self._damage(f"group descriptors of {self._descriptor_size} bytes, wanted 64")

    def _check_counts(self) -> None:
        """Check the numbers of blocks and inodes against each other."""
        if self.blocks_count <= self.first_data_block or self.blocks_count >= 1 << 48:
            raise self._damage(f"{self.blocks_count} blocks")
        if self.groups_count * self.inodes_per_group != self.inodes_count:
            raise self._damage(
                f"{self.inodes_count} inodes in {self.groups_count} groups"
                f" of {self.inodes_per_group}"
            )
        if self.free_blocks > self.blocks_count or self.free_inodes > self.inodes_count:
            raise self._damage("more free blocks or inodes than there are")
        if self.reserved_descriptor_blocks > self.block_size // 4:
            raise self._damage(f"{self.reserved_descriptor_blocks} reserved descriptor blocks")

    def _check_inodes(self) -> None:
        size = self.inode_size
        if size & (size - 1) or not _SMALLEST_INODE <= size <= self.block_size:
            raise self._damage(f"inodes of {size} bytes")
        if not _RESERVED_INODES < self.first_inode <= self.inodes_per_group:
            raise self._damage(f"first free inode {self.first_inode}")

    def _make_seed(self) -> int:
        """Return what every metadata checksum starts from."""
        if self.incompat & Incompat.METADATA_CSUM_SEED:
            return self.checksum_seed
        return crc32c(_ALL_ONES, self.raw[0x68:0x78])


def _is_power(number: int, base: int) -> bool:
    """Return whether ``number`` is a power of ``base``, from its first."""
    power = base
    while power < number:
        power *= base
    return power == number
