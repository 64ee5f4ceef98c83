"""Gzip writer: many threads, one member, runs of zeros at almost no cost.

Sources: RFC 1952 (gzip), RFC 1951 (deflate); Mark Adler, "Enhancing CRC computations", for the
combination of checksums: CRC-32 is linear over GF(2), so that of two runs follows from theirs.

Every piece is deflated on its own and ends on a byte. A run of zeros repeats one piece that was
deflated once. Readers see an ordinary file with a single member. Needs isal or zlib-ng to be
quick and does without them by the standard library; the bytes differ then, their meaning not.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import cache, partial

from builder.formats.deflate import checksum, compressor
from builder.formats.disk import MIB
from builder.formats.parallel import iter_ordered
from builder.formats.sparse import Piece
from builder.structs import Struct

DEFAULT_LEVEL = 2
PIECE = MIB
HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST_BLOCK = b"\x03\0"
TRAILER = struct.Struct("<II")
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_MASK = 0xFFFF_FFFF


class _Deflated(Struct, frozen=True):
    """A run of the stream, deflated."""

    data: bytes
    crc: int
    length: int


def iter_gz(
    pieces: Iterable[Piece], *, level: int = DEFAULT_LEVEL, threads: int = 0
) -> Iterator[bytes]:
    """Yield the gzip file that holds ``pieces``.

    Args:
        pieces: The stream; 1 MiB each is a good size.
        level: 1 to 9.
        threads: Zero takes one for each processor.
    """
    yield HEADER
    crc = length = 0
    for part in iter_ordered(partial(_deflate, level=level), pieces, threads=threads):
        yield part.data
        crc = combine_crc(crc, part.crc, part.length)
        length += part.length
    yield _LAST_BLOCK + TRAILER.pack(crc, length & _MASK)


def combine_crc(first: int, second: int, length: int) -> int:
    """Return the CRC-32 of two runs from theirs; ``length`` is that of the second."""
    return _multiply(_shift(length), first) ^ second


def crc_of_zeros(count: int) -> int:
    """Return the CRC-32 of ``count`` zeros."""
    # The register of a CRC starts with all ones: zeros shift those.
    return _multiply(_shift(count), _MASK) ^ _MASK


def _deflate(piece: Piece, level: int) -> _Deflated:
    if isinstance(piece, bytes):
        return _Deflated(_deflated(piece, level), checksum()(piece), len(piece))
    whole, rest = divmod(piece, PIECE)
    data = _deflated_zeros(PIECE, level) * whole
    if rest:
        data += _deflated_zeros(rest, level)
    return _Deflated(data, crc_of_zeros(piece), piece)


@cache
def _deflated_zeros(count: int, level: int) -> bytes:
    """Return ``count`` zeros, deflated."""
    return _deflated(bytes(count), level)


def _deflated(data: bytes, level: int) -> bytes:
    """Deflate bytes, without the bit that says that they are the last."""
    deflater = compressor(level, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush(zlib.Z_FULL_FLUSH)


def _multiply(a: int, b: int) -> int:
    """Multiply two polynomials modulo that of CRC-32, bits reflected."""
    product, bit = 0, _ONE
    while bit:
        if a & bit:
            product ^= b
        bit >>= 1
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@cache
def _shift(length: int) -> int:
    """Return what a CRC is multiplied by when ``length`` bytes follow."""
    result, power, bits = _ONE, 1 << 30, length * 8
    while bits:
        if bits & 1:
            result = _multiply(power, result)
        power = _multiply(power, power)
        bits >>= 1
    return result
