"""The block of extended attributes that several ext4 inodes may share.

Source: kernel ``Documentation/filesystems/ext4/attributes.rst``. Only the header is looked at:
magic 0xEA020000, number of inodes that share it, number of blocks (4 bytes each), a hash,
and at 0x10 the CRC-32C of the block with its number before it.
"""

import struct

from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.inode import Inode
from builder.formats.ext4.mapping import Mapper
from builder.formats.ext4.runs import Run

_HEADER = struct.Struct("<IIIII")
_MAGIC = 0xEA020000
_MOST_SHARED = 1024


def release_attributes(mapper: Mapper, inode: Inode) -> None:
    """Take one inode off its block of attributes; the last one frees it."""
    block, volume = inode.attributes_block, mapper.volume
    if not block:
        return
    what = f"inode {inode.number}: attribute block {block}"
    mapper.groups.check_usable(block, 1, what)
    raw = bytearray(volume.read(block))
    magic, shared, blocks, _, found = _HEADER.unpack_from(raw)
    if magic != _MAGIC or blocks != 1 or not 1 <= shared <= _MOST_SHARED:
        raise volume.damage(f"{what}: magic {magic:#x}, shared {shared} times, {blocks} blocks")
    if volume.superblock.has_checksums and found != _checksum(volume.superblock.seed, block, raw):
        raise volume.damage(f"{what}: wrong checksum {found:#x}")
    inode.attributes_block = 0
    if shared == 1:
        mapper.allocator.free(Run(block, 1), what)
        return
    struct.pack_into("<I", raw, 4, shared - 1)
    if volume.superblock.has_checksums:
        struct.pack_into("<I", raw, 0x10, _checksum(volume.superblock.seed, block, raw))
    volume.write(block, raw)


def _checksum(seed: int, block: int, raw: bytearray) -> int:
    """Return the checksum that an attribute block should have."""
    cleared = raw[:0x10] + bytes(4) + raw[0x14:]
    return crc32c(crc32c(seed, struct.pack("<Q", block)), cleared)
