"""The extended attributes of ext4 inodes: in the inode, and in a block that several may share.

Source: kernel ``Documentation/filesystems/ext4/attributes.rst``. Of a block only the header is
looked at: magic 0xEA020000, number of inodes that share it, number of blocks (4 bytes each), a
hash, and at 0x10 the CRC-32C of the block with its number before it. Entries follow at 0x20, or in
the inode after its fields and that magic:

    0x00  1  bytes of the name, zero at the end
    0x04  4  inode that holds the value, zero when it lies here
    0x10     name, padded to 4 bytes
"""

import struct

from builder.errors import FormatError
from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.inode import Inode
from builder.formats.ext4.mapping import Mapper
from builder.formats.ext4.runs import Run

_WORD = struct.Struct("<I")
_ENTRY = struct.Struct("<B3xI8x")
_FIRST = 0x20
_HEADER = struct.Struct("<IIIII")
_MAGIC = 0xEA020000
_MOST_SHARED = 1024


def release_attributes(mapper: Mapper, inode: Inode) -> None:
    """Take one inode off its block of attributes; the last one frees it.

    Raises:
        FormatError: the block is damaged, or a value lies in an inode of its own.
    """
    block, volume = inode.attributes_block, mapper.volume
    if inode.raw[inode.used_size : inode.used_size + _WORD.size] == _WORD.pack(_MAGIC):
        _check_values(mapper, inode, inode.raw[inode.used_size + _WORD.size :])
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
    _check_values(mapper, inode, raw[_FIRST:])
    inode.attributes_block = 0
    if shared == 1:
        mapper.allocator.free(Run(block, 1), what)
        return
    struct.pack_into("<I", raw, 4, shared - 1)
    if volume.superblock.has_checksums:
        struct.pack_into("<I", raw, 0x10, _checksum(volume.superblock.seed, block, raw))
    volume.write(block, raw)


def _check_values(mapper: Mapper, inode: Inode, entries: bytearray) -> None:
    """Refuse attributes whose values lie in inodes of their own."""
    at = 0
    while at + _ENTRY.size <= len(entries) and entries[at : at + _WORD.size] != bytes(_WORD.size):
        length, holder = _ENTRY.unpack_from(entries, at)
        if holder:
            raise FormatError(
                f"{mapper.volume.name}: inode {inode.number}: an extended attribute is stored"
                f" with ea_inode (in inode {holder}), which is not supported",
                hint="remove the attribute in a copy (setfattr -x), or take another base",
            )
        at += _ENTRY.size + (length + 3 & ~3)


def _checksum(seed: int, block: int, raw: bytearray) -> int:
    """Return the checksum that an attribute block should have."""
    cleared = raw[:0x10] + bytes(4) + raw[0x14:]
    return crc32c(crc32c(seed, struct.pack("<Q", block)), cleared)
