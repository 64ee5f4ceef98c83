"""The tags of a JBD2 descriptor block: which blocks follow it in the log.

Source: kernel ``Documentation/filesystems/ext4/journal.rst``, "Descriptor Block". Big endian.

    checksums of version 3   block (4), flags (4), high half (4), checksum (4)
    others                   block (4), checksum (2), flags (2), high half (4, 64-bit journals)
    version 2                two bytes more, not used

Flags: 1 the block began with the log's magic, which was zeroed; 2 same UUID as the tag
before, else 16 bytes of UUID follow; 8 last tag.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_ESCAPED, _SAME_UUID, _LAST = 1, 2, 8
_FIRST = 12
_UUID_SIZE = 16
_VERSION3 = 3
_SIZES = {1: 8, 2: 10, _VERSION3: 16}


class Tag(NamedTuple):
    """One block of a transaction: where it goes, its checksum, and whether it is escaped."""

    block: int
    checksum: int
    is_escaped: bool


def iter_tags(raw: bytes, version: int, *, wide: bool) -> Iterator[Tag]:
    """Yield the tags of a descriptor block.

    Args:
        raw: The block, without its checksum.
        version: Of the checksums, 1 to 3.
        wide: Whether block numbers have 64 bits.
    """
    size = _SIZES[version]
    if wide and version != _VERSION3:
        size += 4
    offset, flags = _FIRST, 0
    while not flags & _LAST and offset + size <= len(raw):
        if version == _VERSION3:
            block, flags, high, checksum = struct.unpack_from(">IIII", raw, offset)
        else:
            block, checksum, flags = struct.unpack_from(">IHH", raw, offset)
            high = struct.unpack_from(">I", raw, offset + 8)[0] if wide else 0
        yield Tag(block | (high << 32 if wide else 0), checksum, bool(flags & _ESCAPED))
        offset += size + (0 if flags & _SAME_UUID else _UUID_SIZE)
