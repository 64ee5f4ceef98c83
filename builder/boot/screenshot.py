"""A machine's screen as a PNG picture.

Source: Netpbm's ppm(5), raw form, as QEMU's ``screendump`` writes it; PNG, ISO/IEC 15948:2004,
11.2 "Critical chunks". Writes 8-bit true colour only.
"""

import re
import struct
import zlib

from builder.errors import FormatError

_HEADER = re.compile(rb"P6\s+(?:#[^\n]*\n\s*)*(\d{1,5})\s+(\d{1,5})\s+255\s")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = 2
_UNFILTERED = b"\0"
_PIXEL_SIZE = 3


def convert_ppm(ppm: bytes) -> bytes:
    """Return a raw PPM picture as PNG.

    Raises:
        FormatError: it is none, or is cut off.
    """
    header = _HEADER.match(ppm)
    if header is None:
        raise FormatError("the screen: not a raw PPM picture of 8 bits a colour")
    width, height = int(header[1]), int(header[2])
    row_size = width * _PIXEL_SIZE
    pixels = memoryview(ppm)[header.end() :]
    if len(pixels) < row_size * height:
        raise FormatError(f"the screen: {len(pixels)} bytes; wanted {row_size * height}")
    rows = (pixels[n * row_size : (n + 1) * row_size] for n in range(height))
    raw = b"".join(_UNFILTERED + row for row in rows)
    size = struct.pack(">IIBBBBB", width, height, 8, _TRUE_COLOUR, 0, 0, 0)
    parts = ((b"IHDR", size), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk: length, kind, content, checksum of both."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
