"""Streaming decompressor for non-seekable input, such as a download.

Sources: those of :mod:`builder.formats.compression`. Does not know the length in advance.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from builder.formats import zst
from builder.formats.compression import Compression, iter_stream, sniff
from builder.formats.disk import KIB

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_INPUT = 256 * KIB
_HEAD = 8


def iter_unpacked_pieces(pieces: Iterable[bytes], *, name: str) -> Iterator[bytes]:
    """Yield what a non-seekable stream unpacks to, in pieces of 1 MiB at most.

    A Zstandard stream that is cut short is not recognised: know its length, or its digest.

    Raises:
        FormatError: the data is damaged, cut short, or followed by something else.
    """
    pieces, head = iter(pieces), b""
    while len(head) < _HEAD and (piece := next(pieces, b"")):
        head += piece
    kind = sniff(head, name=name)
    stream = io.BufferedReader(_StreamFile(chain([head], pieces)), _INPUT)
    if kind is Compression.ZST:
        yield from zst.iter_streamed(stream, name=name)
    else:
        yield from iter_stream(stream, kind, name)


class _StreamFile(io.RawIOBase):
    """Pieces that are read as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer from the current piece; return zero at the end."""
        view = memoryview(buffer).cast("B")
        self._held = self._held or next(self._pieces, b"")
        count = min(len(view), len(self._held))
        view[:count] = self._held[:count]
        self._held = self._held[count:]
        return count
