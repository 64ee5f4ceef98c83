"""The .xz format read by many threads, where a file says where its blocks are.

Source: The .xz File Format, version 1.2.1 (tukaani.org), sections 2 to 4. A block is decoded as a
stream of its own, with its check. A block that repeats the one before is not decoded again: a
disk is mostly zeros, and they are what takes long.

Does not read files with one block only, with large blocks, with padding or with several streams:
those are decoded from their first byte to their last, see :mod:`builder.formats.compression`.
"""

import lzma
from collections.abc import Iterator
from functools import partial

from builder.errors import FormatError
from builder.formats import magic
from builder.formats.disk import MIB
from builder.formats.parallel import iter_ordered
from builder.formats.reading import read_fully
from builder.formats.xz import HEADER_SIZE, format_index, read_index
from builder.structs import Struct

_LARGEST_BLOCK = 16 * MIB
_MEMORY_LIMIT = 256 * MIB


class Block(Struct, frozen=True):
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
    footer = read_fully(fd, HEADER_SIZE, max(0, length - HEADER_SIZE))
    if not magic.XZ.matches(read_fully(fd, HEADER_SIZE, 0)):
        return []
    try:
        start, records = read_index(partial(read_fully, fd), length, footer, "")
    except FormatError:  # said where the file is read from front to back
        return []
    blocks, offset = [], HEADER_SIZE
    for unpadded, size in records:
        blocks.append(Block(offset, unpadded, size))
        offset += blocks[-1].stored
    fits = all(block.size <= _LARGEST_BLOCK for block in blocks)
    return blocks if len(blocks) > 1 and fits and offset == start else []


def iter_blocks(fd: int, blocks: list[Block], *, name: str) -> Iterator[bytes]:
    """Yield what the blocks of a file hold, in pieces of 1 MiB at most.

    Raises:
        FormatError: a block is damaged.
    """
    header = read_fully(fd, HEADER_SIZE, 0)
    raws = _repeated((block, read_fully(fd, block.stored, block.offset)) for block in blocks)
    pieces: list[bytes] = []
    for data in iter_ordered(partial(_decode, header, name), raws):
        if data is not None:
            pieces = [data[at : at + MIB] for at in range(0, len(data), MIB)]
        yield from pieces


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
