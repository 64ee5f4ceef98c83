"""Runs of an image gathered in aligned buffers, as direct writes want them.

Source: open(2), O_DIRECT: address, length and offset have to be multiples of the sector. Buffers
are anonymous mappings, which begin on a page; there is a fixed number of them, so that memory
does not depend on how much slower a card is than what is read.

The first MiB ends a chunk of its own: it is written last. Equal images give equal chunks.
"""

import mmap
import os
import queue
import threading
from collections.abc import Iterable, Iterator

from builder.burn.memory import Sum
from builder.errors import FormatError
from builder.formats.disk import KIB, MIB
from builder.formats.stream import Span
from builder.structs import Struct

CHUNK = 4 * MIB
"""What is asked of a device at once."""
HEAD = MIB
"""What is written last: without it nothing boots."""
ALIGN = 4 * KIB
SHORTEST_GAP = 256 * KIB
"""Shorter runs of zeros are written: that is quicker than another request."""

_LONGEST_GAP = 256 * MIB
_PIECE = 512 * KIB
"""What is copied at once: it is still near the processor when it is summed up."""

Run = tuple[int, bytes | Span]
"""Offset in the image and what is there."""


class Gap(Struct, frozen=True):
    """A run of an image that holds nothing but zeros."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.length

    def release(self) -> None:
        """Give nothing back."""


class Pool:
    """A fixed number of buffers."""

    def __init__(self, count: int) -> None:
        self._free: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(mmap.mmap(-1, CHUNK))

    @property
    def free(self) -> int:
        """How many can be taken now."""
        return self._free.qsize()

    def take(self) -> mmap.mmap:
        """Return a buffer, when there is one."""
        return self._free.get()

    def give(self, buffer: mmap.mmap) -> None:
        """Let others have a buffer."""
        self._free.put(buffer)


class Chunk:
    """A run of an image in an aligned buffer, shared by the writers of several cards.

    Attributes:
        offset: In the image; a multiple of ``ALIGN``.
        length: A multiple of ``ALIGN``, zeros at its end if need be.
        checksum: Of its bytes; empty where nobody asked for it.
    """

    def __init__(
        self, offset: int, length: int, buffer: mmap.mmap, pool: Pool, checksum: bytes = b""
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
        """First byte behind it."""
        return self.offset + self.length

    @property
    def view(self) -> memoryview:
        """The bytes; not to be changed."""
        return memoryview(self._buffer)[: self.length]

    def share(self, readers: int) -> None:
        """Say how many will release it."""
        self._readers = readers

    def release(self) -> None:
        """Say that one of the readers needs it no more; the last gives the buffer back."""
        with self._lock:
            self._readers -= 1
            is_last = self._readers == 0
        if is_last:
            self._pool.give(self._buffer)


Task = Chunk | Gap
"""A part of an image to be made true of a card."""


def iter_tasks(runs: Iterable[Run], size: int, pool: Pool, *, sums: bool = False) -> Iterator[Task]:
    """Yield a whole image as chunks and as the gaps between them, in order.

    Args:
        runs: What is not zero, in ascending order.
        size: Length of the image in bytes.
        pool: Where buffers come from; whoever takes a chunk has to release it.
        sums: Whether chunks are summed up, once for all cards.
    """
    position = 0
    for chunk in _iter_chunks(runs, _Filler(pool, sums=sums)):
        yield from _iter_gaps(position, chunk.offset)
        position = chunk.end
        yield chunk
    yield from _iter_gaps(position, size)


def _iter_gaps(start: int, end: int) -> Iterator[Gap]:
    """Yield what lies between two chunks, in parts that do not take too long."""
    while start < end:
        length = min(_LONGEST_GAP, end - start)
        yield Gap(start, length)
        start += length


def _iter_chunks(runs: Iterable[Run], filler: "_Filler") -> Iterator[Chunk]:
    """Yield the chunks alone."""
    for offset, content in runs:
        yield from filler.add(offset, content)
    yield from filler.flush()


class _Filler:
    """Fills one buffer after the other."""

    def __init__(self, pool: Pool, *, sums: bool) -> None:
        self._pool = pool
        self._sums = sums
        self._sum = Sum()
        self._buffer: mmap.mmap | None = None
        self._start = 0
        self._filled = 0

    def add(self, offset: int, content: bytes | Span) -> Iterator[Chunk]:
        """Take the next run; short gaps before it are filled with zeros."""
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
        """Give away what is there."""
        if self._buffer is not None:
            padding = -self._filled % ALIGN
            self._put(self._buffer, bytes(padding), 0, padding)
            checksum = self._sum.digest() if self._sums else b""
            yield Chunk(self._start, self._filled, self._buffer, self._pool, checksum)
            self._start, self._filled, self._buffer = self._start + self._filled, 0, None
            self._sum.reset()

    def _fill(self, content: bytes | Span) -> Iterator[Chunk]:
        """Copy content, over as many buffers as it needs."""
        done, length = 0, content.length if isinstance(content, Span) else len(content)
        while done < length:
            if self._buffer is None:
                self._buffer = self._pool.take()
            limit = HEAD - self._start if self._start < HEAD else CHUNK - self._start % CHUNK
            count = min(length - done, limit - self._filled, _PIECE)
            self._put(self._buffer, content, done, count)
            done += count
            if self._filled == limit:
                yield from self.flush()

    def _put(self, buffer: mmap.mmap, content: bytes | Span, start: int, count: int) -> None:
        """Copy some bytes to the end of what is in the buffer; they have room there."""
        view = memoryview(buffer)[self._filled : self._filled + count]
        _copy(content, start, view)
        self._filled += count
        if self._sums:
            self._sum.update(view)


def _copy(content: bytes | Span, start: int, view: memoryview) -> None:
    """Copy a part of a run into a buffer."""
    if isinstance(content, bytes):
        view[:] = content[start : start + len(view)]
        return
    done = 0
    while done < len(view):
        count = os.preadv(content.fd, [view[done:]], content.offset + start + done)
        if not count:
            raise FormatError(
                f"the image ends at byte {content.offset + start + done} while it is read",
                hint="was it replaced or cut short meanwhile? run again",
            )
        done += count
