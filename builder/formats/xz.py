"""The .xz format written by many threads: one stream of independent blocks.

Source: The .xz File Format, version 1.2.1 (tukaani.org), sections 2 to 4: a stream header, blocks,
an index with the two sizes of every block, and a footer. The standard library compresses each
block as a stream of its own, from which the block is taken.

Zeros are one block that is made once and repeated.
"""

import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from builder.errors import FormatError
from builder.formats.disk import MIB
from builder.formats.empty_parts import EmptyParts
from builder.formats.parallel import iter_ordered
from builder.formats.sparse import Piece, is_zero

DEFAULT_LEVEL = 1
PIECE = 8 * MIB
HEADER_SIZE = 12
FOOTER = struct.Struct("<II2s2s")
_MORE = 0x80
_WORD = struct.Struct("<I")

PADDING = 4
"""What every part of a stream, and the padding between streams, is a multiple of."""
_LARGEST_INDEX = 64 * MIB
_TRUNCATED = "the file may be truncated: download it again"

Read = Callable[[int, int], bytes]

_Block = tuple[bytes, int, int]
"""A block, its unpadded and its uncompressed size."""


def iter_xz(
    pieces: Iterable[Piece], *, level: int = DEFAULT_LEVEL, threads: int = 0
) -> Iterator[bytes]:
    """Yield the .xz file that holds ``pieces``, each a block; 8 MiB each is a good size."""
    header, *_ = _split_stream(b"", level)
    yield header
    records: list[tuple[int, int]] = []
    for blocks in iter_ordered(partial(_pack, level=level), pieces, threads=threads):
        for data, unpadded, size in blocks:
            yield data
            records.append((unpadded, size))
    yield format_index(records, header)


def format_index(records: list[tuple[int, int]], header: bytes) -> bytes:
    """Return the index and the footer that end a stream.

    Args:
        records: Unpadded and uncompressed size of each block.
        header: The stream's.
    """
    index = b"\0" + _number(len(records))
    index += b"".join(_number(unpadded) + _number(size) for unpadded, size in records)
    index += bytes(-len(index) % 4)
    index += _WORD.pack(zlib.crc32(index))
    backward = _WORD.pack(len(index) // 4 - 1) + header[6:8]
    return index + _WORD.pack(zlib.crc32(backward)) + backward + b"YZ"


def read_size(read: Read, size: int, *, name: str) -> int:
    """Return what ``size`` bytes of streams unpack to, from their indexes at the end.

    Args:
        read: Returns so many bytes from an offset, fewer at the end.
        size: Length of the file.
        name: For messages.

    Raises:
        FormatError: a footer or an index is damaged, or the file is cut short.
    """
    total, end, empties = 0, size, EmptyParts(name)
    while end:
        footer = read(HEADER_SIZE, max(0, end - HEADER_SIZE))
        if footer[-_WORD.size :] == bytes(_WORD.size):
            end = _end_of_content(read, end)
            continue
        start, records = read_index(read, end, footer, name)
        empties.see(is_empty=not records)
        total += sum(unpacked for _, unpacked in records)
        end = start - sum(-(-unpadded // 4) * 4 for unpadded, _ in records) - HEADER_SIZE
        if end < 0:
            raise FormatError(f"{name}: an xz index names more blocks than are there")
    return total


def read_index(read: Read, end: int, footer: bytes, name: str) -> tuple[int, list[tuple[int, int]]]:
    """Return the position of the index of the stream that ends at ``end``, and its records."""
    crc, backward, _, magic = FOOTER.unpack(footer.ljust(FOOTER.size, b"\0")[: FOOTER.size])
    length = (backward + 1) * 4
    start = end - HEADER_SIZE - length
    if magic != b"YZ" or zlib.crc32(footer[4:10]) != crc or start < HEADER_SIZE:
        raise FormatError(f"{name}: no xz stream ends at byte {end}", hint=_TRUNCATED)
    index = read(min(length, _LARGEST_INDEX), start)
    if zlib.crc32(index[:-4]).to_bytes(4, "little") != index[-4:] or index[:1] != b"\0":
        raise FormatError(f"{name}: the index of an xz stream is damaged", hint=_TRUNCATED)
    try:
        count, at = read_number(index, 1)
        records = []
        for _ in range(count):
            unpadded, at = read_number(index, at)
            unpacked, at = read_number(index, at)
            records.append((unpadded, unpacked))
    except IndexError:
        raise FormatError(f"{name}: the index of an xz stream is cut short") from None
    if any(index[at:-4]) or len(index) - 4 - at >= PADDING:
        raise FormatError(f"{name}: the padding of the index of an xz stream is damaged")
    return start, records


def _end_of_content(read: Read, end: int) -> int:
    """Return where the padding begins that ends at ``end``; it is of whole words."""
    while end:
        start = max(0, end - MIB)
        piece = read(end - start, start)
        if piece and not is_zero(piece):
            left = piece.rstrip(b"\0")
            return min(end, -(-(start + len(left)) // PADDING) * PADDING)
        end = start
    return end


def _pack(piece: Piece, level: int) -> list[_Block]:
    """Compress one piece; a run of zeros may be several blocks."""
    if isinstance(piece, bytes):
        return [_block(piece, level)]
    whole, rest = divmod(piece, PIECE)
    return [_zero_block(PIECE, level)] * whole + ([_zero_block(rest, level)] if rest else [])


@cache
def _zero_block(size: int, level: int) -> _Block:
    return _block(bytes(size), level)


def _block(data: bytes, level: int) -> _Block:
    _, block, index = _split_stream(data, level)
    unpadded, at = read_number(index, 2)
    size, _ = read_number(index, at)
    return block, unpadded, size


def _split_stream(data: bytes, level: int) -> tuple[bytes, bytes, bytes]:
    """Compress bytes as a stream and return its header, its block and its index."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": level}]
    stream = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters)
    _, backward, _, _ = FOOTER.unpack(stream[-FOOTER.size :])
    start = len(stream) - FOOTER.size - (backward + 1) * 4
    return stream[:HEADER_SIZE], stream[HEADER_SIZE:start], stream[start : -FOOTER.size]


def _number(value: int) -> bytes:
    """Encode a number in groups of seven bits, the lowest first."""
    out = bytearray()
    while value >= _MORE:
        out.append(value % _MORE | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_number(raw: bytes, at: int) -> tuple[int, int]:
    """Decode a number and return it with the position behind it.

    Raises:
        IndexError: the bytes end inside it.
    """
    value = shift = 0
    while raw[at] & _MORE:
        value |= raw[at] % _MORE << shift
        shift, at = shift + 7, at + 1
    return value | raw[at] << shift, at + 1
