"""Grains and markers: the records that a stream-optimized VMDK consists of.

Source: Virtual Disk Format 5.0 (VMware technical note), "Stream-Optimized Compressed Sparse
Extents". Little endian; every record begins at a sector and is padded to whole sectors.

    offset  size  grain marker                     metadata marker
    0x00    8     first sector of the grain        sectors of metadata that follow
    0x08    4     length of the deflated data      0
    0x0c          the data, a zlib stream          type: 0 end, 1 table, 2 directory, 3 footer
"""

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

from builder.errors import FormatError
from builder.formats.deflate import compressor, inflate_errors, inflater
from builder.formats.disk import SECTOR

GRAIN_MARKER = struct.Struct("<QI")
_METADATA_MARKER = struct.Struct("<QII")
MARKER_SIZE = _METADATA_MARKER.size
END_OF_STREAM = bytes(SECTOR)
LEVEL = 3
"""Of deflate: a ninth of the time of zlib's 6, for 8 percent of the size of what changed."""


class Marker(IntEnum):
    """What a metadata marker announces."""

    END = 0
    TABLE = 1
    DIRECTORY = 2
    FOOTER = 3


class Record(NamedTuple):
    """A marker as read: a grain when ``size`` is not zero; there are many, so they are light."""

    value: int
    size: int
    type: int

    @property
    def sectors(self) -> int:
        """Length of the record: the marker and what belongs to it."""
        return -(-(GRAIN_MARKER.size + self.size) // SECTOR) if self.size else 1 + self.value


def grain_sectors(size: int) -> int:
    """Return the length of a grain's record with ``size`` bytes of deflated data."""
    return -(-(GRAIN_MARKER.size + size) // SECTOR)


def parse_marker(raw: bytes) -> Record:
    """Read the first bytes of a record."""
    return Record._make(_METADATA_MARKER.unpack_from(raw))


def maximum_deflated_size(grain_size: int) -> int:
    """Return more than what deflate ever makes of a grain: stored blocks, with room to spare."""
    return grain_size + grain_size // 16 + 64


def deflate_grain(first_sector: int, content: bytes | bytearray) -> bytes:
    """Return a grain's record: marker, deflated content, padding."""
    deflater = compressor(LEVEL, zlib.MAX_WBITS)
    deflated = deflater.compress(content) + deflater.flush()
    record = GRAIN_MARKER.pack(first_sector, len(deflated)) + deflated
    return record + bytes(-len(record) % SECTOR)


def inflate_grain(record: bytes | memoryview, grain_size: int) -> bytes:
    """Return the content of a grain's record; it is never more than a grain.

    Raises:
        FormatError: the data is damaged, incomplete, or more than a grain.
    """
    size = GRAIN_MARKER.unpack_from(record)[1]
    stream = inflater(zlib.MAX_WBITS)
    try:
        content = stream.decompress(record[GRAIN_MARKER.size :][:size], grain_size + 1)
    except inflate_errors() as error:
        raise FormatError(f"does not inflate: {error}") from error
    if len(content) > grain_size:
        raise FormatError(f"inflates to more than the {grain_size} bytes of a grain")
    if not stream.eof:
        raise FormatError("does not inflate: its data ends too early")
    return content
