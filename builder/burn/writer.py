"""One card: what is written to it, in which order, and how it is read back.

The order is the point. The first and the last MiB are wiped before anything else, the first MiB
is written when all the rest has been proved: whatever happens in between, pulled out or killed,
leaves a blank card and never one that boots halfway.

What the image leaves empty is made empty: a file of zeros must not turn into what was on the card
before. Most devices do that by themselves at once; for others it is read first, and written only
where something is. Some say that they did and did nothing: each run gets a mark before, and is read
back in samples; where one is not zero, all runs are emptied the other way.
"""

import mmap
import threading
from collections.abc import Iterator
from typing import NamedTuple

from builder.burn.card import Card
from builder.burn.chunks import ALIGN, CHUNK, HEAD, Chunk, Gap, Task
from builder.burn.memory import checksum, is_same
from builder.burn.overlay import Overlay
from builder.errors import VerifyError
from builder.formats.disk import KIB
from builder.progress import Advance
from builder.structs import Struct, field

SAMPLE = 64 * KIB
"""What is read back of every 4 MiB that the device emptied by itself."""


class Manner(Struct, frozen=True):
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


class Range(NamedTuple):
    """What was meant for a card in one request."""

    offset: int
    length: int
    checksum: bytes


class Tally(Struct):
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


class Writer(Struct):
    """Makes an image true of one card; ``take`` is called by several threads at once.

    Attributes:
        card: Open.
        manner: How it is written.
        overlay: What only this card has.
        stopped: Set when everything shall end soon.
        advance: Told of every part that is true.
        counts_gaps: Whether that includes what the image leaves empty.
        tally: What was done.
        differing: Offset and length of the ranges that were not there when they were read back.
    """

    card: Card
    manner: Manner
    overlay: Overlay
    stopped: threading.Event = field(default_factory=threading.Event)
    advance: Advance = lambda _: None
    counts_gaps: bool = False
    tally: Tally = field(default_factory=Tally)
    differing: dict[int, int] = field(default_factory=dict)
    _ranges: dict[int, Range] = field(default_factory=dict)
    _samples: dict[int, int] = field(default_factory=dict)
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
        elif isinstance(task, Gap):
            self._empty(task)
        for offset, view in self.parts_of(task):
            self._put(view, offset, _known_sum(task, view))
        if self.counts_gaps or isinstance(task, Chunk):
            with self._lock:
                self.advance(task.length)

    def parts_of(self, task: Task) -> Iterator[tuple[int, memoryview]]:
        """Yield offset and bytes of what is to be on this card, but for the first MiB."""
        if task.end <= HEAD:
            return
        if isinstance(task, Chunk):
            length = min(task.length, self.card.size - task.offset)
            yield task.offset, self._own_view(task)[:length]
            return
        for offset, block in self.overlay.within(max(task.offset, HEAD), task.end):
            buffer = mmap.mmap(-1, len(block))
            buffer[:] = block
            yield offset, memoryview(buffer)

    def differ(self, found: Range) -> None:
        """Remember a range that was not there when it was read back.

        Where the device did not empty a run, no run that it emptied is believed.
        """
        with self._lock:
            self.differing[found.offset] = found.length
            if found.offset in self._samples:
                self.card.offloads_zeros = False
                self.differing.update(self._samples)

    def note_verified(self) -> None:
        """Remember in which way the card was read back."""
        self.tally.verified = "direct" if self.card.is_read_direct else "buffered"

    def ranges(self) -> list[Range]:
        """Return everything that is to be on the card, but for the first MiB."""
        return list(self._ranges.values())

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
        with self.card.reader() as fd:
            found = memoryview(mmap.mmap(-1, HEAD))[: len(view)]
            self.card.read(found, 0, fd)
            return is_same(view, found)

    def _keep_head(self, task: Task) -> None:
        """Remember what the first MiB will be."""
        if isinstance(task, Chunk):
            self._head[task.offset : task.end] = task.view
        for offset, block in self.overlay.within(task.offset, min(task.end, HEAD)):
            self._head[offset : offset + len(block)] = block

    def _own_view(self, chunk: Chunk) -> memoryview:
        """Return a run with this card's own blocks in it; without any, that of all cards."""
        own = list(self.overlay.within(chunk.offset, chunk.end))
        if not own:
            return chunk.view
        buffer = mmap.mmap(-1, CHUNK)
        buffer[: chunk.length] = bytes(chunk.view)
        for offset, block in own:
            at = offset - chunk.offset
            buffer[at : at + len(block)] = block
        return memoryview(buffer)[: chunk.length]

    def _empty(self, gap: Gap) -> None:
        """Empty a run."""
        start = max(gap.offset, HEAD)
        if gap.offset < HEAD:
            self._keep_head(Gap(gap.offset, HEAD - gap.offset))
        sector = self.card.device.sector
        end = min(-(-gap.end // sector) * sector, self.card.size)
        if not self.manner.blanks or start >= end:
            return
        if self._punch(start, end):
            for at in dict.fromkeys((*range(start, end, CHUNK), max(start, end - SAMPLE))):
                self._expect(at, min(SAMPLE, end - at), is_sample=True)
        else:
            self._clear(start, end)

    def _punch(self, start: int, end: int) -> bool:
        """Mark a run and let the device make it zero; false when it cannot."""
        if not self.card.offloads_zeros:
            return False
        mark = memoryview(mmap.mmap(-1, ALIGN))[: min(ALIGN, end - start)]
        mark[:] = b"\xa5" * len(mark)
        self.card.write(mark, start)
        return self.card.punch(start, end - start)

    def _expect(self, offset: int, length: int, *, is_sample: bool = False) -> None:
        """Remember that a run is to be zero, but for what only this card has."""
        if not self.manner.verifies:
            return
        content = bytearray(length)
        for at, block in self.overlay.within(offset, offset + length):
            content[at - offset : at - offset + len(block)] = block
        wanted = Range(offset, length, checksum(memoryview(content)[:length]))
        with self._lock:
            self._ranges[offset] = wanted
            if is_sample:
                self._samples[offset] = length
            else:
                self._samples.pop(offset, None)

    def _put(self, view: memoryview, offset: int, known: bytes) -> None:
        """Write a run unless it is there already, and remember what it is."""
        if offset < self.manner.compare_below and self._holds(view, offset):
            with self._lock:
                self.tally.kept += len(view)
        else:
            self._write(view, offset)
        if self.manner.verifies:
            written = Range(offset, len(view), known or checksum(view))
            with self._lock:
                self._ranges[offset] = written

    def _write(self, view: memoryview, offset: int) -> None:
        """Write a run."""
        self.card.write(view, offset)
        with self._lock:
            self.tally.written += len(view)

    def _holds(self, view: memoryview, offset: int) -> bool:
        """Tell whether a run is on the card already."""
        found = memoryview(mmap.mmap(-1, CHUNK))[: len(view)]
        self.card.read(found, offset)
        return is_same(view, found)

    def _clear(self, start: int, end: int) -> None:
        """Read a run, and write zeros where there are none."""
        buffer, zeros = memoryview(mmap.mmap(-1, CHUNK)), memoryview(mmap.mmap(-1, CHUNK))
        while start < end and not self.stopped.is_set():
            length = min(CHUNK, end - start)
            self.card.read(buffer[:length], start)
            if not is_same(buffer[:length], zeros[:length]):
                self._write(zeros[:length], start)
            self._expect(start, length)
            start += length


def _known_sum(task: Task, view: memoryview) -> bytes:
    """Return the sum of a run that is all of a chunk, as it is for every card; else nothing."""
    if isinstance(task, Gap) or view.obj is not task.view.obj or len(view) != task.length:
        return b""
    return task.checksum
