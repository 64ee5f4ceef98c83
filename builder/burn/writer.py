"""One card: what is written to it, in which order, and how it is read back.

The order is the point. The first and the last MiB are wiped before anything else, the first MiB
is written when all the rest has been proved: whatever happens in between, pulled out or killed,
leaves a blank card and never one that boots halfway.

What the image leaves empty is made empty: a file of zeros must not turn into what was on the card
before. Most devices do that by themselves at once; for others it is read first, and written only
where something is.
"""

import hashlib
import mmap
import threading
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from builder.burn.card import Card
from builder.burn.chunks import ALIGN, CHUNK, HEAD, Chunk, Gap, Task
from builder.burn.overlay import Overlay
from builder.errors import VerifyError
from builder.progress import Advance

_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Manner:
    """How a card is written.

    Attributes:
        blanks: What the image leaves empty is emptied.
        verifies: Everything that was written is read back.
        compare_below: What lies below this offset is read first and written only where it
            differs; the size of the image for all of it.
    """

    blanks: bool = True
    verifies: bool = True
    compare_below: int = 0


@dataclass(slots=True)
class Tally:
    """What was done to a card.

    Attributes:
        written: Bytes sent to it.
        kept: Bytes that were there already.
        verified: ``direct`` when read back from the medium, ``buffered`` when the page cache
            could not be passed by, ``no`` when not asked for.
        rewritten: Ranges that had to be written twice.
    """

    written: int = 0
    kept: int = 0
    verified: str = "no"
    rewritten: int = 0


@dataclass(slots=True)
class Writer:
    """Makes an image true of one card; ``take`` is called by several threads at once.

    Attributes:
        card: Open.
        manner: How it is written.
        overlay: What only this card has.
        stopped: Set when everything shall end soon.
        advance: Told of every part that is true.
        counts_gaps: Whether that includes what the image leaves empty.
        tally: What was done.
        differing: Offsets of the ranges that were not there when they were read back.
    """

    card: Card
    manner: Manner
    overlay: Overlay
    stopped: threading.Event = field(default_factory=threading.Event)
    advance: Advance = lambda _: None
    counts_gaps: bool = False
    tally: Tally = field(default_factory=Tally)
    differing: list[int] = field(default_factory=list)
    _ranges: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _head: bytearray = field(default_factory=lambda: bytearray(HEAD))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wipe(self) -> None:
        """Make the first and the last MiB zero: no table, and no copy of one, is left.

        Raises:
            HostError: the device refuses.
        """
        zeros = mmap.mmap(-1, HEAD)
        first = min(HEAD, self.card.size)
        self.card.write(memoryview(zeros)[:first], 0)
        last = max(0, self.card.size - HEAD)
        last -= last % self.card.device.sector
        self.card.write(memoryview(zeros)[: self.card.size - last], last)
        self.card.flush()

    def take(self, task: Task) -> None:
        """Make one part of the image true, but for the first MiB, which is kept for later.

        Raises:
            HostError: the device refuses.
        """
        if task.end <= HEAD:
            self._keep_head(task)
        elif isinstance(task, Chunk):
            self._take_chunk(task)
        else:
            self._take_gap(task)
        if self.counts_gaps or isinstance(task, Chunk):
            with self._lock:
                self.advance(task.length)

    def verify(self, only: Container[int] | None = None) -> list[int]:
        """Read back what was written and return the offsets of the ranges that differ.

        Args:
            only: Offsets of the ranges to look at; ``None``: all.

        Raises:
            HostError: the device refuses.
        """
        with self.card.reader() as (fd, is_direct), ThreadPoolExecutor(_DEPTH) as pool:
            buffers = threading.local()
            ranges = [each for each in sorted(self._ranges.items()) if _is_in(each[0], only)]
            good = pool.map(lambda each: self._is_there(each, fd, buffers), ranges)
            found = [offset for (offset, _), same in zip(ranges, good, strict=True) if not same]
        self.tally.verified = "direct" if is_direct else "buffered"
        return found

    def length_of(self, offset: int) -> int:
        """Return the length of the range at an offset."""
        return self._ranges[offset][0]

    def finish(self) -> None:
        """Write the first MiB, and prove it.

        Raises:
            VerifyError: it is not there afterwards.
            HostError: the device refuses.
        """
        if not self._try_head() and not self._try_head():
            self.wipe()
            raise VerifyError(
                f"{self.card.device.path}: its first MiB is not what was written, twice",
                hint="the card or its reader is broken; it was left blank",
            )

    def _try_head(self) -> bool:
        """Write the first MiB, and tell whether it is there."""
        buffer = mmap.mmap(-1, HEAD)
        view = memoryview(buffer)[: min(HEAD, self.card.size)]
        buffer[:] = bytes(self._head)
        self._write(view, 0)
        self.card.flush()
        if not self.manner.verifies:
            return True
        digest = hashlib.sha256(view).digest()
        with self.card.reader() as (fd, _):
            return self._is_there((0, (len(view), digest)), fd, threading.local())

    def _keep_head(self, task: Task) -> None:
        """Remember what the first MiB will be."""
        if isinstance(task, Chunk):
            self._head[task.offset : task.end] = task.view
        for offset, block in self.overlay.within(task.offset, min(task.end, HEAD)):
            self._head[offset : offset + len(block)] = block

    def _take_chunk(self, chunk: Chunk) -> None:
        """Write a run, with this card's own blocks in it."""
        length = min(chunk.length, self.card.size - chunk.offset)
        own = list(self.overlay.within(chunk.offset, chunk.end))
        if own:
            buffer = mmap.mmap(-1, CHUNK)
            buffer[: chunk.length] = bytes(chunk.view)
            for offset, block in own:
                at = offset - chunk.offset
                buffer[at : at + len(block)] = block
            self._put(memoryview(buffer)[:length], chunk.offset, b"")
        else:
            digest = chunk.digest() if self.manner.verifies and length == chunk.length else b""
            self._put(chunk.view[:length], chunk.offset, digest)

    def _take_gap(self, gap: Gap) -> None:
        """Empty a run, and write this card's own blocks in it."""
        start = max(gap.offset, HEAD)
        if gap.offset < HEAD:
            self._keep_head(Gap(gap.offset, HEAD - gap.offset))
        end = min(gap.end, self.card.size)
        end -= end % self.card.device.sector
        if self.manner.blanks and start < end and not self.card.punch(start, end - start):
            self._clear(start, end)
        for offset, block in self.overlay.within(start, end):
            buffer = mmap.mmap(-1, len(block))
            buffer[:] = block
            self._put(memoryview(buffer), offset, b"")

    def _put(self, view: memoryview, offset: int, digest: bytes) -> None:
        """Write a run unless it is there already, and remember what it is."""
        if offset < self.manner.compare_below and self._holds(view, offset):
            with self._lock:
                self.tally.kept += len(view)
        else:
            self._write(view, offset)
        if self.manner.verifies:
            digest = digest or hashlib.sha256(view).digest()
            with self._lock:
                self._ranges[offset] = len(view), digest

    def _write(self, view: memoryview, offset: int) -> None:
        """Write a run."""
        self.card.write(view, offset)
        with self._lock:
            self.tally.written += len(view)

    def _holds(self, view: memoryview, offset: int) -> bool:
        """Tell whether a run is on the card already."""
        buffer = mmap.mmap(-1, max(ALIGN, len(view)))
        self.card.read(memoryview(buffer)[: len(view)], offset)
        return buffer[: len(view)] == bytes(view)

    def _clear(self, start: int, end: int) -> None:
        """Read a run, and write zeros where there are none."""
        buffer, zeros = mmap.mmap(-1, CHUNK), mmap.mmap(-1, CHUNK)
        nothing = bytes(CHUNK)
        while start < end and not self.stopped.is_set():
            length = min(CHUNK, end - start)
            self.card.read(memoryview(buffer)[:length], start)
            if buffer[:length] != nothing[:length]:
                self._write(memoryview(zeros)[:length], start)
            start += length

    def _is_there(
        self, expected: tuple[int, tuple[int, bytes]], fd: int, buffers: threading.local
    ) -> bool:
        """Read one range back and compare its digest."""
        offset, (length, digest) = expected
        if self.stopped.is_set():
            return True
        if not hasattr(buffers, "own"):
            buffers.own = mmap.mmap(-1, CHUNK)
        view = memoryview(buffers.own)[:length]
        self.card.read(view, offset, fd)
        return hashlib.sha256(view).digest() == digest


def _is_in(offset: int, only: Container[int] | None) -> bool:
    """Tell whether a range is to be looked at."""
    return only is None or offset in only
