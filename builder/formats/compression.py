"""Streams that are compressed, told by their first bytes, unpacked and packed piece by piece.

Sources: RFC 1952 (gzip), the .xz File Format 1.2.1, RFC 8878 (Zstandard). Never more than a few
MiB of either side are in memory, whatever the stream unpacks to. Does not read bzip2, LZ4 or
lzip; they are named and refused.
"""

import io
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from builder.errors import FormatError
from builder.formats import gz, magic, xz, xz_blocks, zst
from builder.formats.decoders import (
    Decoder,
    Inflate,
    Unxz,
    Unzst,
    decoder_errors,
    inflate_member,
)
from builder.formats.disk import KIB, MIB
from builder.formats.empty_parts import EmptyParts
from builder.formats.magic import FileType, Group
from builder.formats.reading import read_fully
from builder.formats.sparse import (
    CELL,
    Window,
    is_zero,
    iter_counted,
    iter_pieces,
    iter_spelled_out,
)
from builder.host import refusal
from builder.progress import Advance

__all__ = [
    "Compression",
    "iter_member",
    "iter_packed",
    "iter_stream",
    "iter_unpacked",
    "read_size",
    "sniff",
    "unpack_head",
]

_INPUT = 256 * KIB
_START = 16 * KIB
_TRUNCATED = "the file may be truncated: download it again"


class Compression(StrEnum):
    """How a stream is compressed."""

    NONE = "none"
    GZ = "gz"
    XZ = "xz"
    ZST = "zst"


_READ = {
    magic.GZIP: Compression.GZ,
    magic.XZ: Compression.XZ,
    magic.ZSTD: Compression.ZST,
}
_PACKED = (Group.COMPRESSED, Group.ARCHIVE)


def sniff(head: bytes, *, name: str = "the file") -> Compression:
    """Return how a file is compressed, by its first bytes.

    Raises:
        FormatError: the compression is known but not supported.
    """
    kind = magic.identify(head)
    if kind in _READ:
        return _READ[kind]
    if zst.is_zst(head):
        return Compression.ZST
    if kind is not None and kind is not magic.TAR and kind.group in _PACKED:
        raise FormatError(
            f"{name} is {kind.noun}; wanted gz, xz, zst or none", hint="unpack it first"
        )
    return Compression.NONE


def iter_unpacked(path: Path) -> Generator[bytes, None, None]:
    """Yield what a file unpacks to, in pieces of 1 MiB at most.

    Raises:
        FormatError: the data is damaged, cut short, or followed by something else.
        HostError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            fd = stream.fileno()
            kind = sniff(read_fully(fd, 8, 0), name=path.name)
            size = os.fstat(fd).st_size
            blocks = xz_blocks.find_blocks(fd, size) if kind is Compression.XZ else []
            if blocks:
                yield from xz_blocks.iter_blocks(fd, blocks, name=path.name)
            else:
                yield from iter_stream(stream, kind, path.name)
    except OSError as error:
        raise refusal(error, path) from error


def iter_member(
    kind: Compression, data: bytes, more: Callable[[], bytes], name: str
) -> Generator[bytes, None, bytes]:
    """Yield what one compressed member unpacks to, and return what was read behind it.

    Args:
        kind: How it is compressed.
        data: Its first bytes.
        more: Returns the next ones; none at the end.
        name: For messages.

    Raises:
        FormatError: the data is damaged or cut short.
    """
    decoder: Decoder
    match kind:
        case Compression.GZ:
            decoder = Inflate()
        case Compression.XZ:
            decoder = Unxz()
        case Compression.ZST:
            decoder = Unzst()
        case Compression.NONE:
            raise ValueError(kind)
    yield from _member(decoder, data, more, name)
    return decoder.unused_data


def read_size(path: Path) -> int | None:
    """Return the unpacked size that a file states; gzip states it modulo 4 GiB only.

    Raises:
        FormatError: the data is damaged or cut short.
        HostError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            fd = stream.fileno()
            size = os.fstat(fd).st_size
            match sniff(read_fully(fd, 8, 0), name=path.name):
                case Compression.NONE:
                    return size
                case Compression.XZ:
                    return xz.read_size(partial(read_fully, fd), size, name=path.name)
                case Compression.ZST:
                    return zst.read_size(fd, size, name=path.name)
                case Compression.GZ:
                    return None
    except OSError as error:
        raise refusal(error, path) from error


def unpack_head(head: bytes) -> bytes:
    """Return what the first bytes of a file unpack to, at most 1 MiB."""
    try:
        match sniff(head):
            case Compression.GZ:
                return Inflate().feed(head)
            case Compression.XZ:
                return Unxz().feed(head)
            case Compression.ZST:
                return _unzst_head(head)
            case Compression.NONE:
                return head
    except FormatError:
        return b""
    except decoder_errors():
        return b""


_PACKERS = {
    Compression.GZ: (gz.iter_gz, gz.DEFAULT_LEVEL, gz.PIECE, CELL),
    Compression.XZ: (xz.iter_xz, xz.DEFAULT_LEVEL, xz.PIECE, MIB),
    Compression.ZST: (zst.iter_zst, zst.DEFAULT_LEVEL, zst.PIECE, MIB),
}
"""Packer, level, and the bytes of a piece and of the shortest hole that is kept."""


def iter_packed(
    parts: Iterable[bytes | Window],
    kind: Compression,
    *,
    level: int | None = None,
    advance: Advance = lambda _: None,
) -> Iterator[bytes]:
    """Yield the compressed stream of bytes and of windows with holes, whose bytes are counted."""
    if kind is Compression.NONE:
        for piece in iter_counted(iter_pieces(parts, shortest_hole=MIB), advance):
            yield from iter_spelled_out(piece)
        return
    pack, usual, size, hole = _PACKERS[kind]
    pieces = iter_counted(iter_pieces(parts, size=size, shortest_hole=hole), advance)
    yield from pack(pieces, level=usual if level is None else level)


def iter_stream(stream: BinaryIO, kind: Compression, name: str) -> Iterator[bytes]:
    """Yield what a stream unpacks to."""
    match kind:
        case Compression.NONE:
            while data := stream.read(MIB):
                yield data
        case Compression.ZST:
            yield from zst.iter_unpacked(stream, os.fstat(stream.fileno()).st_size, name=name)
        case Compression.GZ:
            yield from _members(stream, inflate_member, magic.GZIP, name)
        case Compression.XZ:
            yield from _members(stream, lambda _: Unxz(), magic.XZ, name)


class _Input:
    """A stream that takes back what was read too much of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0

    def read(self, count: int = _INPUT) -> bytes:
        """Return the next bytes, at most ``count``; none at the end."""
        if self._at == len(self._held):
            self._held, self._at = self._stream.read(_INPUT), 0
        piece = self._held[self._at : self._at + count]
        self._at += len(piece)
        return piece

    def unread(self, rest: bytes) -> None:
        """Take back the last bytes that were read."""
        if len(rest) <= self._at:
            self._at -= len(rest)
        else:
            self._held, self._at = rest + self._held[self._at :], 0

    def skip_zeros(self) -> int:
        """Skip zeros, and return how many."""
        count = 0
        while piece := self.read():
            if is_zero(piece):
                count += len(piece)
                continue
            left = piece.lstrip(b"\0")
            self.unread(left)
            return count + len(piece) - len(left)
        return count

    def begin(self) -> bytes:
        """Return the beginning of a member: short, since members may be."""
        head = self.read(_START)
        while len(head) < _START and (more := self.read(_START - len(head))):
            head += more
        return head


def _members(
    stream: BinaryIO, make: Callable[[bytes], Decoder], kind: FileType, name: str
) -> Iterator[bytes]:
    """Yield the content of the members that follow each other in a stream."""
    source, empties = _Input(stream), EmptyParts(name)
    data = source.begin()
    while data:
        decoder, count = make(data), 0
        for piece in _member(decoder, data, source.read, name):
            count += len(piece)
            yield piece
        empties.see(is_empty=not count)
        source.unread(decoder.unused_data)
        # Both formats may be padded with zeros: gzip on tapes, xz by its standard.
        padding = source.skip_zeros()
        data = source.begin()
        if data and not kind.magics[0].startswith(data[: len(kind.magics[0])]):
            raise FormatError(f"{name}: unexpected data after the compressed data")
        if kind is magic.XZ and padding % xz.PADDING:
            raise FormatError(f"{name}: {padding} bytes of padding follow an xz stream")


def _member(decoder: Decoder, data: bytes, more: Callable[[], bytes], name: str) -> Iterator[bytes]:
    while True:
        try:
            out = decoder.feed(data)
        except decoder_errors() as error:
            raise FormatError(f"{name}: damaged compressed data: {error}") from error
        if out:
            yield out
        if decoder.eof:
            return
        data = more() if decoder.wants_more else b""
        if decoder.wants_more and not data:
            raise FormatError(f"{name}: the compressed data is truncated", hint=_TRUNCATED)


def _unzst_head(head: bytes) -> bytes:
    """Return what the first blocks of a frame hold."""
    zst.check_library()
    import zstandard

    try:
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(head)).read(64 * KIB)
    except zstandard.ZstdError:
        return b""
