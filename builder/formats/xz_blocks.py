"""The .xz format read by many threads, where a file says where its blocks are.

Source: The .xz File Format, version 1.2.1 (tukaani.org), sections 2 to 4. A block is decoded as a
stream of its own, with its check. A block that repeats the one before is not decoded again: a
disk is mostly zeros, and they are what takes long.

Does not read files with one block only, with large blocks, with padding or with several streams:
those are decoded from their first byte to their last, see :mod:`builder.formats.compression`.
"""

import lzma
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from builder.errors import FormatError
from builder.formats.disk import MIB
from builder.formats.parallel import iter_ordered
from builder.formats.xz import FOOTER, HEADER_SIZE, format_index, read_number

_LARGEST_BLOCK = 16 * MIB
_MEMORY_LIMIT = 256 * MIB
_LARGEST_INDEX = 16 * MIB
_MAGIC = b"\xfd7zXZ\0"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a stream.

    Attributes:
        offset: Its first byte in the file.
        unpadded: Its length without the padding to four bytes.
        size: What it decodes to, in bytes.
    """

    offset: int
    unpadded: int
    size: int

    @property
    def stored(self) -> int:
        """Its length in the file."""
        return -(-self.unpadded // 4) * 4


def find_blocks(fd: int, length: int) -> list[Block]:
    """Return the blocks of a file, nothing when it has to be read from front to back."""
    footer = os.pread(fd, HEADER_SIZE, max(0, length - HEADER_SIZE))
    if len(footer) < HEADER_SIZE or not os.pread(fd, HEADER_SIZE, 0).startswith(_MAGIC):
        return []
    crc, backward, _, magic = FOOTER.unpack(footer)
    size = (backward + 1) * 4
    start = length - HEADER_SIZE - size
    if magic != b"YZ" or zlib.crc32(footer[4:10]) != crc:
        return []
    if size > _LARGEST_INDEX or start < HEADER_SIZE:
        return []
    index = os.pread(fd, size, start)
    if len(index) != size or zlib.crc32(index[:-4]) != int.from_bytes(index[-4:], "little"):
        return []
    blocks = list(_parse(index))
    end = blocks[-1].offset + blocks[-1].stored if blocks else 0
    fits = all(block.size <= _LARGEST_BLOCK for block in blocks)
    return blocks if len(blocks) > 1 and fits and end == start else []


def iter_blocks(fd: int, blocks: list[Block], *, name: str) -> Iterator[bytes]:
    """Yield what the blocks of a file hold, in pieces of 1 MiB at most.

    Raises:
        FormatError: a block is damaged.
    """
    header = os.pread(fd, HEADER_SIZE, 0)
    raws = _repeated((block, os.pread(fd, block.stored, block.offset)) for block in blocks)
    pieces: list[bytes] = []
    for data in iter_ordered(partial(_decode, header, name), raws):
        if data is not None:
            pieces = [data[at : at + MIB] for at in range(0, len(data), MIB)]
        yield from pieces


def _parse(index: bytes) -> Iterator[Block]:
    """Yield the blocks that an index names; of a damaged one, those before the damage."""
    offset = HEADER_SIZE
    try:
        count, at = read_number(index, 1)
        for _ in range(count):
            unpadded, at = read_number(index, at)
            size, at = read_number(index, at)
            block = Block(offset, unpadded, size)
            offset += block.stored
            yield block
    except IndexError:
        return


def _repeated(raws: Iterator[tuple[Block, bytes]]) -> Iterator[tuple[Block, bytes | None]]:
    """Yield blocks with their bytes; ``None`` stands for those of the block before."""
    before = b""
    for block, raw in raws:
        yield block, (None if raw == before else raw)
        before = raw


def _decode(header: bytes, name: str, item: tuple[Block, bytes | None]) -> bytes | None:
    """Decode a block as a stream that has no other."""
    block, raw = item
    if raw is None:
        return None
    index = format_index([(block.unpadded, block.size)], header)
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_LIMIT)
    try:
        data = decoder.decompress(header + raw + index, block.size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise FormatError(f"{name}: damaged compressed data: {error}") from error
    if len(data) != block.size or not decoder.eof:
        raise FormatError(f"{name}: the xz block at byte {block.offset} is not as its index says")
    return data
