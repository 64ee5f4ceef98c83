"""Writes an image to one card, in an order that never leaves a card that boots halfway.

The first and the last MiB are wiped before anything else; the first MiB is written after all the
rest was verified. Whatever happens in between (removal, a kill) leaves a blank card.

What the image leaves empty is zeroed: a file of zeros must not turn into the card's old data. Most
devices zero a range by themselves at once; on others it is read first, and written only where it is
not zero. Some report success and do nothing: each range gets a mark before, and is read back in
samples; where a sample is not zero, all ranges are zeroed by writing.
"""

import mmap
import threading
from typing import NamedTuple

from builder.burn.card import Card
from builder.burn.chunks import ALIGN, CHUNK, HEAD, BlockPatches, Chunk, Gap, Part, new_checksum
from builder.errors import BuilderError, VerifyError
from builder.formats.disk import KIB
from builder.structs import Struct, field

SAMPLE = 64 * KIB
"""Bytes that are read back of every 4 MiB that the device zeroed by itself."""


class WriteMode(Struct, frozen=True):
    """How a card is written.

    Attributes:
        blanks: Whether to zero what the image leaves empty.
        verifies: Whether to read everything back.
        compare_below: Below this offset, data is read first and written only where it differs.
    """

    blanks: bool = True
    verifies: bool = True
    compare_below: int = 0


class ExpectedRange(NamedTuple):
    """A range of a card and the checksum of what was written there."""

    offset: int
    length: int
    checksum: bytes


class WriteStats(Struct):
    """Statistics of one card.

    Attributes:
        written: Bytes written to it.
        kept: Bytes that were there already.
        verified: ``direct`` when read back from the medium, ``buffered`` when the page cache
            could not be bypassed, ``no`` when not asked for.
        rewritten: Number of ranges that were written twice.
    """

    written: int = 0
    kept: int = 0
    verified: str = "no"
    rewritten: int = 0


class CardWriter(Struct):
    """Writes the parts of an image to one card; several threads call ``write_part`` at once.

    Attributes:
        card: The open card.
        mode: How it is written.
        patches: Blocks of this card that differ from the image.
        stopped: Set when all work shall end soon.
        stats: What was done.
        failure: Why the card failed; ``None`` while it has not.
        position: Last byte of the image that was written, plus one.
        differing: Offset to length of the ranges that differed when they were read back.
    """

    card: Card
    mode: WriteMode
    patches: BlockPatches
    stopped: threading.Event = field(default_factory=threading.Event)
    stats: WriteStats = field(default_factory=WriteStats)
    failure: BuilderError | None = None
    position: int = 0
    differing: dict[int, int] = field(default_factory=dict)
    _ranges: dict[int, ExpectedRange] = field(default_factory=dict)
    _samples: dict[int, int] = field(default_factory=dict)
    _head: bytearray = field(default_factory=lambda: bytearray(HEAD))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wipe(self) -> None:
        """Zero the first and the last MiB, so that no partition table or copy of one is left.

        Raises:
            HostError: the device fails.
        """
        zeros = mmap.mmap(-1, HEAD)
        first = min(HEAD, self.card.size)
        self.card.write(memoryview(zeros)[:first], 0)
        last = max(0, self.card.size - HEAD)
        last -= last % self.card.device.sector
        self.card.write(memoryview(zeros)[: self.card.size - last], last)
        self.card.flush()

    def write_part(self, part: Part) -> None:
        """Write one part of the image; the first MiB is kept for :meth:`finish`.

        Raises:
            HostError: the device fails.
        """
        if part.end <= HEAD:
            self._keep_head(part)
            return
        if isinstance(part, Chunk):
            length = min(part.length, self.card.size - part.offset)
            view = self._patched(part)[:length]
            self._write_unless_equal(view, part.offset, _known_checksum(part, view))
            return
        self._zero_gap(part)
        for offset, block in self.patches.within(max(part.offset, HEAD), part.end):
            buffer = mmap.mmap(-1, len(block))
            buffer[:] = block
            self._write_unless_equal(memoryview(buffer), offset, b"")

    def note_difference(self, found: ExpectedRange) -> None:
        """Note a range that differed when it was read back.

        If the device was to zero it, all ranges that the device zeroed count as different.
        """
        with self._lock:
            self.differing[found.offset] = found.length
            if found.offset in self._samples:
                self.card.offloads_zeros = False
                self.differing.update(self._samples)

    def check_differences(self) -> None:
        """Fail a card that differs although it was written twice.

        Raises:
            VerifyError: a range differed when it was read back.
        """
        left = sorted(self.differing.items())
        if left:
            first, length = left[0]
            raise VerifyError(
                f"{self.card.device.path}: {len(left)} ranges differ from what was written, twice; "
                f"the first is bytes {first} to {first + length - 1}",
                hint="the card or its reader is broken: try another reader, and test the card with "
                "f3 or H2testw; it was left blank",
            )

    def note_verified(self) -> None:
        """Record how the card was read back."""
        self.stats.verified = "direct" if self.card.is_read_direct else "buffered"

    def ranges(self) -> list[ExpectedRange]:
        """Return every range of the card that is to be read back, except the first MiB."""
        return list(self._ranges.values())

    def finish(self) -> None:
        """Write the first MiB, and verify it.

        Raises:
            VerifyError: it differs when it is read back, twice.
            HostError: the device fails.
        """
        if not self._write_head() and not self._write_head():
            self.wipe()
            raise VerifyError(
                f"{self.card.device.path}: its first MiB differs from what was written, twice",
                hint="the card or its reader is broken; it was left blank",
            )

    def _write_head(self) -> bool:
        """Write the first MiB; return whether it is the same when read back."""
        buffer = mmap.mmap(-1, HEAD)
        view = memoryview(buffer)[: min(HEAD, self.card.size)]
        buffer[:] = bytes(self._head)
        self._write(view, 0)
        self.card.flush()
        if not self.mode.verifies:
            return True
        with self.card.reader() as fd:
            found = memoryview(mmap.mmap(-1, HEAD))[: len(view)]
            self.card.read(found, 0, fd)
            return is_equal(view, found)

    def _keep_head(self, part: Part) -> None:
        if isinstance(part, Chunk):
            self._head[part.offset : part.end] = part.view
        for offset, block in self.patches.within(part.offset, min(part.end, HEAD)):
            self._head[offset : offset + len(block)] = block

    def _patched(self, chunk: Chunk) -> memoryview:
        """Return a chunk with this card's patches; the shared buffer when there are none."""
        own = list(self.patches.within(chunk.offset, chunk.end))
        if not own:
            return chunk.view
        buffer = mmap.mmap(-1, CHUNK)
        buffer[: chunk.length] = bytes(chunk.view)
        for offset, block in own:
            at = offset - chunk.offset
            buffer[at : at + len(block)] = block
        return memoryview(buffer)[: chunk.length]

    def _zero_gap(self, gap: Gap) -> None:
        start = max(gap.offset, HEAD)
        if gap.offset < HEAD:
            self._keep_head(Gap(gap.offset, HEAD - gap.offset))
        sector = self.card.device.sector
        end = min(-(-gap.end // sector) * sector, self.card.size)
        if not self.mode.blanks or start >= end:
            return
        if self._punch(start, end):
            for at in dict.fromkeys((*range(start, end, CHUNK), max(start, end - SAMPLE))):
                self._expect(at, min(SAMPLE, end - at), is_sample=True)
        else:
            self._zero_by_writing(start, end)

    def _punch(self, start: int, end: int) -> bool:
        """Mark a range and let the device zero it; return false when it cannot."""
        if not self.card.offloads_zeros:
            return False
        mark = memoryview(mmap.mmap(-1, ALIGN))[: min(ALIGN, end - start)]
        mark[:] = b"\xa5" * len(mark)
        self.card.write(mark, start)
        return self.card.punch(start, end - start)

    def _expect(self, offset: int, length: int, *, is_sample: bool = False) -> None:
        """Record that a range is to be zero, except for this card's patches."""
        if not self.mode.verifies:
            return
        content = bytearray(length)
        for at, block in self.patches.within(offset, offset + length):
            content[at - offset : at - offset + len(block)] = block
        wanted = ExpectedRange(offset, length, new_checksum(content[:length]).digest())
        with self._lock:
            self._ranges[offset] = wanted
            if is_sample:
                self._samples[offset] = length
            else:
                self._samples.pop(offset, None)

    def _write_unless_equal(self, view: memoryview, offset: int, known: bytes) -> None:
        """Write a range unless it is there already, and record its checksum."""
        if offset < self.mode.compare_below and self._holds(view, offset):
            with self._lock:
                self.stats.kept += len(view)
        else:
            self._write(view, offset)
        if self.mode.verifies:
            checksum = known or new_checksum(view).digest()
            with self._lock:
                self._ranges[offset] = ExpectedRange(offset, len(view), checksum)

    def _write(self, view: memoryview, offset: int) -> None:
        self.card.write(view, offset)
        with self._lock:
            self.stats.written += len(view)

    def _holds(self, view: memoryview, offset: int) -> bool:
        found = memoryview(mmap.mmap(-1, CHUNK))[: len(view)]
        self.card.read(found, offset)
        return is_equal(view, found)

    def _zero_by_writing(self, start: int, end: int) -> None:
        """Read a range, and write zeros where it is not zero."""
        buffer, zeros = memoryview(mmap.mmap(-1, CHUNK)), memoryview(mmap.mmap(-1, CHUNK))
        while start < end and not self.stopped.is_set():
            length = min(CHUNK, end - start)
            self.card.read(buffer[:length], start)
            if not is_equal(buffer[:length], zeros[:length]):
                self._write(zeros[:length], start)
            self._expect(start, length)
            start += length


def is_equal(one: memoryview, other: memoryview) -> bool:
    """Compare two buffers of whole sectors without copying them."""
    return one.cast("Q") == other.cast("Q")


def _known_checksum(chunk: Chunk, view: memoryview) -> bytes:
    """Return the checksum that all cards share when a view is a whole chunk; else empty."""
    is_whole = view.obj is chunk.view.obj and len(view) == chunk.length
    return chunk.checksum if is_whole else b""
