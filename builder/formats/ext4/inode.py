"""ext4 inodes: one file's owner, mode, times, size and the root of its block mapping.

Source: kernel ``Documentation/filesystems/ext4/inodes.rst``; 128 bytes, and more in
larger slots.

    offset  high  size  field
    0x00          2     type and mode
    0x02    0x78  2     owner
    0x04    0x6c  4     size, bytes
    0x08          4     time of access; change at 0x0c, modification 0x10, deletion 0x14
    0x18    0x7a  2     group
    0x1a          2     names
    0x1c    0x74  4, 2  sectors of 512 bytes, or blocks with flag 0x40000
    0x20          4     flags
    0x28          60    extent tree root, block pointers, or a short link's target
    0x64          4     generation
    0x68    0x76  4, 2  block of extended attributes
    0x7c    0x82  2     checksum
    0x80          2     bytes used beyond 128
    0x84          4     rest of change time; modification 0x88, access 0x8c
    0x90          4     time of birth; rest at 0x94

Times are signed seconds; the low two bits of a rest are added above bit 31.
"""

import stat
import struct

from builder.errors import FormatError
from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.fields import Field, SplitField
from builder.formats.ext4.groups import Groups

ROOT = 2
INDEX_FLAG = 0x1000
HUGE_FILE_FLAG = 0x40000
EXTENTS_FLAG = 0x80000
MAP_OFFSET, MAP_SIZE = 0x28, 60
_SMALL = 128
_CHECKSUM_END = 0x84
_MOST_WAITING = 4096
"""Inodes that are held back: a directory's is changed by every name that it gets."""
_REFUSED_FLAGS = {
    0x800: "encrypt",
    0x100000: "verity",
    0x200000: "ea_inode",
    0x10000000: "inline_data",
    0x40000000: "casefold",
}
_TIMES = ((0x08, 0x8C), (0x0C, 0x84), (0x10, 0x88))
_BIRTH = (0x90, 0x94)


class Inode:
    """One inode: its number and its bytes."""

    __slots__ = ("number", "raw")

    mode = Field("H", 0x00)
    uid = SplitField("H", 0x02, 0x78)
    gid = SplitField("H", 0x18, 0x7A)
    size = SplitField("I", 0x04, 0x6C)
    links = Field("H", 0x1A)
    sectors = SplitField("I", 0x1C, 0x74, "H")
    flags = Field("I", 0x20)
    attributes_block = SplitField("I", 0x68, 0x76, "H")
    checksum_low = Field("H", 0x7C)
    checksum_high = Field("H", 0x82)
    _extra_size = Field("H", 0x80)

    def __init__(self, number: int, raw: bytes | bytearray) -> None:
        self.number = number
        self.raw = bytearray(raw)

    @property
    def is_directory(self) -> bool:
        """Return whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Return whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        """Return whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_short_symlink(self) -> bool:
        """Return whether it is a link whose target lies in the inode."""
        return self.is_symlink and self.size < MAP_SIZE and not self.flags & EXTENTS_FLAG

    @property
    def is_mapped(self) -> bool:
        """Return whether it has blocks of content."""
        content = self.is_directory or self.is_file or self.is_symlink
        return content and not self.is_short_symlink

    @property
    def used_size(self) -> int:
        """Bytes of the slot that have a meaning; attributes may follow."""
        return _SMALL + self._extra_size if len(self.raw) > _SMALL else _SMALL

    @property
    def map_root(self) -> bytes:
        """The root of the block mapping."""
        return bytes(self.raw[MAP_OFFSET : MAP_OFFSET + MAP_SIZE])

    @map_root.setter
    def map_root(self, content: bytes) -> None:
        self.raw[MAP_OFFSET : MAP_OFFSET + MAP_SIZE] = content.ljust(MAP_SIZE, b"\0")

    @property
    def mtime(self) -> int:
        """Time of the last change of content."""
        seconds: int = struct.unpack_from("<i", self.raw, 0x10)[0]
        if self.used_size >= _TIMES[2][1] + 4:
            epoch: int = self.raw[0x88] & 3
            seconds += epoch << 32
        return seconds

    @property
    def has_wide_checksum(self) -> bool:
        """Return whether the checksum has its high half."""
        return self.used_size >= _CHECKSUM_END

    def set_owner(self, mode: int, uid: int, gid: int) -> None:
        """Set permission bits and owner; the type stays."""
        self.mode = stat.S_IFMT(self.mode) | mode
        self.uid, self.gid = uid, gid

    def set_times(self, timestamp: int) -> None:
        """Set the times of access, change and modification."""
        for seconds, rest in _TIMES:
            self._set_time(seconds, rest, timestamp)

    def set_birth(self, timestamp: int, extra_size: int) -> None:
        """Set what only a new inode gets: the size of its second part, and its birth."""
        if extra_size:
            self._extra_size = extra_size
            if self.used_size >= _BIRTH[0] + 4:
                self._set_time(*_BIRTH, timestamp)

    def _set_time(self, seconds: int, rest: int, timestamp: int) -> None:
        """Set one time; without its rest it ends in 2038."""
        wide = self.used_size >= rest + 4
        if not wide:
            timestamp = min(timestamp, 0x7FFFFFFF)
        low = (timestamp & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        struct.pack_into("<i", self.raw, seconds, low)
        if wide:
            struct.pack_into("<I", self.raw, rest, (timestamp - low) >> 32 & 3)


class Inodes:
    """The inode tables of a filesystem."""

    def __init__(self, groups: Groups) -> None:
        self.volume = groups.volume
        self.groups = groups
        self._known: dict[int, bytes] = {}
        self._waiting: set[int] = set()
        self._seeds: dict[tuple[int, bytes], int] = {}

    def read(self, number: int) -> Inode:
        """Return an inode that is in use, checked."""
        raw = self._known.get(number)
        if raw is not None:
            return Inode(number, raw)
        raw = self.volume.read_at(self._position(number), self.volume.superblock.inode_size)
        inode = Inode(number, raw)
        self._check(inode)
        self._known[number] = raw
        return inode

    def make(self, number: int, mode: int, links: int = 1) -> Inode:
        """Return a new inode; nothing is written."""
        inode = Inode(number, bytes(self.volume.superblock.inode_size))
        inode.mode, inode.links = mode, links
        inode.set_birth(self.volume.timestamp, self.volume.superblock.extra_size)
        return inode

    def write(self, inode: Inode) -> None:
        """Have an inode written with the time of the edit, at the next flush."""
        inode.set_times(self.volume.timestamp)
        self._known[inode.number] = bytes(inode.raw)
        self._waiting.add(inode.number)
        self.volume.is_changed = True
        if len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def clear(self, number: int) -> None:
        """Zero the slot of an inode that is no longer in use."""
        self._known.pop(number, None)
        self._waiting.discard(number)
        size = self.volume.superblock.inode_size
        self.volume.write_at(self._position(number), bytes(size))

    def flush(self) -> None:
        """Write the inodes that wait for it, with their checksums."""
        for number in sorted(self._waiting):
            inode = Inode(number, self._known[number])
            if self.volume.superblock.has_checksums:
                crc = self._checksum(inode)
                inode.checksum_low = crc & 0xFFFF
                if inode.has_wide_checksum:
                    inode.checksum_high = crc >> 16
            self._known[number] = bytes(inode.raw)
            self.volume.write_at(self._position(number), inode.raw)
        self._waiting.clear()

    def seed(self, inode: Inode) -> int:
        """Return what the checksums of the inode's blocks start from."""
        generation = bytes(inode.raw[0x64:0x68])
        key = inode.number, generation
        if key not in self._seeds:
            number = struct.pack("<I", inode.number)
            self._seeds[key] = crc32c(crc32c(self.volume.superblock.seed, number), generation)
        return self._seeds[key]

    def _position(self, number: int) -> int:
        """Return the byte of the filesystem where an inode begins."""
        superblock = self.volume.superblock
        if not 1 <= number <= superblock.inodes_count:
            raise self.volume.damage(f"inode {number} of {superblock.inodes_count}")
        group, index = divmod(number - 1, superblock.inodes_per_group)
        table = self.groups[group].inode_table * superblock.block_size
        return table + index * superblock.inode_size

    def _checksum(self, inode: Inode) -> int:
        """Return the checksum that the inode should have."""
        raw = bytearray(inode.raw)
        raw[0x7C:0x7E] = b"\0\0"
        if inode.has_wide_checksum:
            raw[0x82:0x84] = b"\0\0"
        return crc32c(self.seed(inode), raw)

    def _check(self, inode: Inode) -> None:
        """Refuse a damaged inode, and one that is stored in an unsupported way."""
        what = f"inode {inode.number}"
        if inode.used_size > len(inode.raw) or inode.used_size % 4:
            raise self.volume.damage(f"{what}: uses {inode.used_size} of {len(inode.raw)} bytes")
        self._check_sum(inode)
        if not inode.links or not inode.mode:
            raise self.volume.damage(f"{what}: has a name, but is not in use")
        if inode.size > self.volume.block_size << 32:
            raise self.volume.damage(f"{what}: {inode.size} bytes")
        for flag, feature in _REFUSED_FLAGS.items():
            if inode.flags & flag:
                raise FormatError(
                    f"{self.volume.name}: {what} is stored with {feature}, which is not supported"
                )

    def _check_sum(self, inode: Inode) -> None:
        """Compare the checksum of an inode."""
        if not self.volume.superblock.has_checksums:
            return
        found, wanted = inode.checksum_low, self._checksum(inode)
        if inode.has_wide_checksum:
            found |= inode.checksum_high << 16
        else:
            wanted &= 0xFFFF
        if found != wanted:
            raise self.volume.damage(
                f"inode {inode.number}: checksum {found:#x}, wanted {wanted:#x}"
            )
