"""Zstandard: frames written by many threads, and checked before they are read.

Source: RFC 8878, "Zstandard Compression and the application/zstd Media Type", section 3.1.

    frame     magic 0xfd2fb528, descriptor, window, dictionary, content size, blocks, checksum
    block     3 bytes: last (1 bit), type (2 bits: raw, repeated, compressed), size (21 bits)
    skipped   magic 0x184d2a5?, 4 bytes of length, content

Each piece is a frame of its own; readers join them. The reading library does not tell a frame
that is cut short from one that is done, so the chain of blocks is walked first.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import BinaryIO

from builder.errors import FormatError, ToolError
from builder.formats import magic
from builder.formats.disk import MIB
from builder.formats.empty_parts import EmptyParts
from builder.formats.parallel import iter_ordered
from builder.formats.reading import read_fully
from builder.formats.sparse import Piece

DEFAULT_LEVEL = 3
PIECE = 4 * MIB
(MAGIC,) = magic.ZSTD.magics
_SKIPPABLE, _SKIPPABLE_LOW = b"\x2a\x4d\x18", 0x50
_HEAD = 18
_BLOCK_HEADER = 3
_DICTIONARY_SIZES = (0, 1, 2, 4)
_CONTENT_SIZES = (0, 2, 4, 8)
_REPEATED, _RESERVED = 1, 3
_LARGEST_WINDOW = 128 * MIB


def is_zst(head: bytes) -> bool:
    """Return whether a file begins with a frame."""
    return head.startswith(MAGIC) or (head[1:4] == _SKIPPABLE and head[0] & 0xF0 == _SKIPPABLE_LOW)


def iter_zst(
    pieces: Iterable[Piece], *, level: int = DEFAULT_LEVEL, threads: int = 0
) -> Iterator[bytes]:
    """Yield the frames that hold ``pieces``; 4 MiB each is a good size."""
    check_library()
    yield from iter_ordered(partial(_pack, level=level), pieces, threads=threads)


def iter_unpacked(stream: BinaryIO, size: int, *, name: str) -> Iterator[bytes]:
    """Yield what ``size`` bytes of frames hold, in pieces of 1 MiB at most.

    Raises:
        FormatError: a frame is damaged or cut short.
    """
    check_library()
    _check_frames(stream.fileno(), size, name)
    yield from iter_streamed(stream, name=name)


def iter_streamed(stream: BinaryIO, *, name: str) -> Iterator[bytes]:
    """Yield what frames hold that are read once, in pieces of 1 MiB at most.

    That the last frame is whole is not checked.

    Raises:
        FormatError: a frame is damaged.
    """
    check_library()
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    reader = decompressor.stream_reader(stream, read_across_frames=True, closefd=False)
    try:
        while data := reader.read(MIB):
            yield data
    except zstandard.ZstdError as error:
        raise FormatError(f"{name}: damaged zstd data: {error}") from error


def read_size(fd: int, size: int, *, name: str) -> int | None:
    """Return what ``size`` bytes of frames unpack to; ``None`` when one does not say it.

    Raises:
        FormatError: a frame is damaged or cut short.
    """
    total = 0
    for head in _iter_frames(fd, size, name):
        content = _content_size(head)
        if content is None:
            return None
        total += content
    return total


def check_library() -> None:
    """Check that a Zstandard library can be imported; Python includes one since 3.14.

    Raises:
        ToolError: the library cannot be imported.
    """
    if importlib.util.find_spec("zstandard") is None:
        hint = "pip install zstandard, or choose another compression"
        raise ToolError("the Python package zstandard cannot be imported", hint=hint)


def _pack(piece: Piece, level: int) -> bytes:
    if isinstance(piece, bytes):
        return _frame(piece, level)
    whole, rest = divmod(piece, PIECE)
    return _zero_frame(PIECE, level) * whole + (_zero_frame(rest, level) if rest else b"")


@cache
def _zero_frame(size: int, level: int) -> bytes:
    return _frame(bytes(size), level)


def _frame(data: bytes, level: int) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(data)


def _check_frames(fd: int, size: int, name: str) -> None:
    """Walk the chain of frames and blocks to the end of the file."""
    for _ in _iter_frames(fd, size, name):
        pass


def _iter_frames(fd: int, size: int, name: str) -> Iterator[bytes]:
    """Yield the first bytes of every frame with content, up to the end of the file."""
    at, empties = 0, EmptyParts(name)
    while at < size:
        head = read_fully(fd, _HEAD, at)
        if not is_zst(head):
            raise FormatError(f"{name}: no zstd frame at byte {at}")
        if head.startswith(MAGIC):
            yield head
            at = _end_of_frame(fd, at, empties, name)
        else:
            empties.see(is_empty=True)
            at += 8 + int.from_bytes(head[4:8], "little")
    if at > size:
        raise FormatError(
            f"{name}: ends at byte {size} inside a zstd frame",
            hint="the file may be truncated: download it again",
        )


def _content_size(head: bytes) -> int | None:
    """Return what a frame's header says that it unpacks to."""
    flags = head[len(MAGIC)] if len(head) > len(MAGIC) else 0
    single = flags >> 5 & 1
    length = _CONTENT_SIZES[flags >> 6] or single
    at = len(MAGIC) + 1 + (not single) + _DICTIONARY_SIZES[flags & 3]
    if not length:
        return None
    # Two bytes begin where one byte ends: RFC 8878, 3.1.1.1.4.
    return int.from_bytes(head[at : at + length], "little") + (256 if length == 2 else 0)  # noqa: PLR2004 - bytes


def _end_of_frame(fd: int, at: int, empties: EmptyParts, name: str) -> int:
    """Return the position behind a frame."""
    head = read_fully(fd, _HEAD, at)
    flags = head[len(MAGIC)] if len(head) > len(MAGIC) else 0
    single = flags >> 5 & 1
    content = _CONTENT_SIZES[flags >> 6] or single
    at += len(MAGIC) + 1 + (not single) + _DICTIONARY_SIZES[flags & 3] + content
    last = False
    while not last:
        raw = read_fully(fd, _BLOCK_HEADER, at)
        if len(raw) < _BLOCK_HEADER:
            raise FormatError(
                f"{name}: ends inside a zstd frame, at byte {at}",
                hint="the file may be truncated: download it again",
            )
        word = int.from_bytes(raw, "little")
        last, kind = bool(word & 1), word >> 1 & 3
        if kind == _RESERVED:
            raise FormatError(f"{name}: a damaged zstd block at byte {at}")
        empties.see(is_empty=not word >> 3)
        at += _BLOCK_HEADER + (1 if kind == _REPEATED else word >> 3)
    return at + 4 * (flags >> 2 & 1)
