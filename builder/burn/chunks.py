"""An image as aligned chunks and the gaps between them, as direct writes need it.

Source: open(2), O_DIRECT: address, length and offset have to be multiples of the sector. Buffers
are anonymous mappings, which begin on a page; there is a fixed number of them, so that memory
use does not depend on how much slower a card is than the image.

The first MiB is a chunk of its own: it is written last. Equal images give equal chunks.
"""

import hashlib
import mmap
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from builder.errors import FormatError
from builder.formats.disk import KIB, MIB
from builder.formats.stream import Span
from builder.structs import Struct

CHUNK = 4 * MIB
"""Bytes of one request."""
HEAD = MIB
"""Bytes that are written last: without them nothing boots."""
ALIGN = 4 * KIB
SHORTEST_GAP = 256 * KIB
"""Shorter gaps are written as zeros: that is quicker than another request."""

_LONGEST_GAP = 256 * MIB
_COPY_SIZE = 512 * KIB
"""Bytes of one copy: small enough to be hashed while still in the processor's cache."""

Run = tuple[int, bytes | Span]
"""Offset in the image, and the data there."""

new_checksum = partial(hashlib.sha256, usedforsecurity=False)
"""Starts the checksum by which a range that is read back is compared with what was written."""


class BlockPatches:
    """Blocks of one card that differ from the image, such as its own host name.

    Args:
        blocks: Offset, a multiple of ``ALIGN``, to the bytes there.
    """

    def __init__(self, blocks: Mapping[int, bytes] | None = None) -> None:
        self._blocks = dict(sorted((blocks or {}).items()))

    def within(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield offset and bytes of the blocks' parts in a range, padded to ``ALIGN``."""
        for offset, block in self._blocks.items():
            low, high = max(start, offset), min(end, offset + len(block))
            if low < high:
                padded = -(-(high - low) // ALIGN) * ALIGN
                yield low, block[low - offset : high - offset].ljust(padded, b"\0")


class Gap(Struct, frozen=True):
    """A range of an image that holds nothing but zeros."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """First byte after it."""
        return self.offset + self.length

    def release(self) -> None:
        """Do nothing: a gap has no buffer."""


class BufferPool:
    """A fixed number of buffers."""

    def __init__(self, count: int) -> None:
        self._free: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(mmap.mmap(-1, CHUNK))

    @property
    def free(self) -> int:
        """Number of free buffers."""
        return self._free.qsize()

    def take(self) -> mmap.mmap:
        """Return a buffer as soon as one is free."""
        return self._free.get()

    def give(self, buffer: mmap.mmap) -> None:
        """Return a buffer to the pool."""
        self._free.put(buffer)


class Chunk:
    """A range of an image in an aligned buffer, shared by the writers of several cards.

    Attributes:
        offset: In the image; a multiple of ``ALIGN``.
        length: A multiple of ``ALIGN``; padded with zeros.
        checksum: Checksum of its bytes; empty when nothing is read back.
    """

    def __init__(
        self, offset: int, length: int, buffer: mmap.mmap, pool: BufferPool, checksum: bytes = b""
    ) -> None:
        self.offset = offset
        self.length = length
        self.checksum = checksum
        self._buffer = buffer
        self._pool = pool
        self._readers = 1
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """First byte after it."""
        return self.offset + self.length

    @property
    def view(self) -> memoryview:
        """The bytes, not to be changed."""
        return memoryview(self._buffer)[: self.length]

    def share(self, readers: int) -> None:
        """Set the number of readers that release it."""
        self._readers = readers

    def release(self) -> None:
        """Release it for one reader; the last release frees the buffer."""
        with self._lock:
            self._readers -= 1
            is_last = self._readers == 0
        if is_last:
            self._pool.give(self._buffer)


Part = Chunk | Gap
"""A part of an image to be written to a card."""


def iter_parts(
    runs: Iterable[Run], size: int, pool: BufferPool, *, checksums: bool = False
) -> Iterator[Part]:
    """Yield a whole image as chunks and as the gaps between them, in order.

    Args:
        runs: Data that is not zero, in ascending order.
        size: Size of the image in bytes.
        pool: Source of the buffers; the caller releases each chunk.
        checksums: Whether to hash the chunks, once for all cards.
    """
    position = 0
    for chunk in _iter_chunks(runs, _Filler(pool, checksums=checksums)):
        yield from _iter_gaps(position, chunk.offset)
        position = chunk.end
        yield chunk
    yield from _iter_gaps(position, size)


def containing(parts: Iterable[Part], offsets: set[int]) -> Iterator[Part]:
    """Yield the parts that contain one of the offsets; release the others."""
    for part in parts:
        if any(part.offset <= offset < part.end for offset in offsets):
            yield part
        else:
            part.release()


def _iter_gaps(start: int, end: int) -> Iterator[Gap]:
    """Yield the gap between two chunks, in parts that do not take too long."""
    while start < end:
        length = min(_LONGEST_GAP, end - start)
        yield Gap(start, length)
        start += length


def _iter_chunks(runs: Iterable[Run], filler: "_Filler") -> Iterator[Chunk]:
    for offset, content in runs:
        yield from filler.add(offset, content)
    yield from filler.flush()


class _Filler:
    """Copies runs into one buffer after the other."""

    def __init__(self, pool: BufferPool, *, checksums: bool) -> None:
        self._pool = pool
        self._checksums = checksums
        self._checksum = new_checksum()
        self._buffer: mmap.mmap | None = None
        self._start = 0
        self._filled = 0

    def add(self, offset: int, content: bytes | Span) -> Iterator[Chunk]:
        """Copy the next run; a short gap before it is filled with zeros."""
        gap = offset - (self._start + self._filled)
        if self._buffer is not None and gap > SHORTEST_GAP:
            yield from self.flush()
        if self._buffer is None:
            gap = offset % ALIGN
            self._start, self._filled = offset - gap, 0
        if gap:
            yield from self._fill(bytes(gap))
        yield from self._fill(content)

    def flush(self) -> Iterator[Chunk]:
        """Yield the chunk that is begun."""
        if self._buffer is not None:
            padding = -self._filled % ALIGN
            self._put(self._buffer, bytes(padding), 0, padding)
            checksum = self._checksum.digest() if self._checksums else b""
            yield Chunk(self._start, self._filled, self._buffer, self._pool, checksum)
            self._start, self._filled, self._buffer = self._start + self._filled, 0, None
            self._checksum = new_checksum()

    def _fill(self, content: bytes | Span) -> Iterator[Chunk]:
        """Copy content, over as many buffers as it needs."""
        done, length = 0, content.length if isinstance(content, Span) else len(content)
        while done < length:
            if self._buffer is None:
                self._buffer = self._pool.take()
            limit = HEAD - self._start if self._start < HEAD else CHUNK - self._start % CHUNK
            count = min(length - done, limit - self._filled, _COPY_SIZE)
            self._put(self._buffer, content, done, count)
            done += count
            if self._filled == limit:
                yield from self.flush()

    def _put(self, buffer: mmap.mmap, content: bytes | Span, start: int, count: int) -> None:
        """Append some bytes to the buffer, which has room for them."""
        view = memoryview(buffer)[self._filled : self._filled + count]
        _copy(content, start, view)
        self._filled += count
        if self._checksums:
            self._checksum.update(view)


def _copy(content: bytes | Span, start: int, view: memoryview) -> None:
    if isinstance(content, bytes):
        view[:] = content[start : start + len(view)]
        return
    done = 0
    while done < len(view):
        count = os.preadv(content.fd, [view[done:]], content.offset + start + done)
        if not count:
            raise FormatError(
                f"the image ends at byte {content.offset + start + done} while it is read",
                hint="check that it was not replaced or truncated, and run again",
            )
        done += count
