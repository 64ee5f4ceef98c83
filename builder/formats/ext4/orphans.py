"""The orphan file of ext4: deleted inodes that were still open.

Source: kernel ``Documentation/filesystems/ext4/orphan.rst``. Each block holds inode numbers
(4 bytes, 0 free), and at its end the magic 0x0B10CA04 and a CRC-32C (4 bytes each) of the
block's number and the inode numbers. While the filesystem is mounted, it has the feature
orphan_present, whether there are orphans or not. Does not remove orphans: they are refused.
"""

import struct

from builder.errors import FormatError
from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.features import ReadOnly
from builder.formats.ext4.mapping import Mapper

_MAGIC = 0x0B10CA04
_TAIL = struct.Struct("<II")


def clear_orphans(mapper: Mapper) -> None:
    """Drop the feature orphan_present, once no inode is found in the orphan file."""
    volume = mapper.volume
    superblock = volume.superblock
    if not superblock.read_only & ReadOnly.ORPHAN_PRESENT:
        return
    inode = mapper.inodes.read(superblock.orphan_file)
    seed = mapper.inodes.seed(inode)
    for block in mapper.blocks(inode):
        raw = volume.read(block)
        entries = raw[: -_TAIL.size]
        magic, found = _TAIL.unpack(raw[-_TAIL.size :])
        wanted = crc32c(crc32c(seed, struct.pack("<Q", block)), entries)
        if magic != _MAGIC or (superblock.has_checksums and found != wanted):
            raise volume.damage(f"orphan file, block {block}: magic {magic:#x}, sum {found:#x}")
        if any(entries):
            raise FormatError(
                f"{volume.name}: deleted files wait for removal (feature orphan_present);"
                " wanted a clean filesystem",
                hint="mount the filesystem once and unmount it, or run e2fsck on a copy",
            )
    superblock.read_only &= ~ReadOnly.ORPHAN_PRESENT.value
    volume.is_changed = True
