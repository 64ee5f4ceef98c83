"""Reading a card back, past the page cache, by a descriptor of its own.

What each range is to hold was summed up while it was written, so the image need not be read again.
"""

import mmap
import threading
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor

from builder.burn.chunks import CHUNK
from builder.burn.memory import checksum
from builder.burn.spread import DEPTH
from builder.burn.writer import Range, Writer


def check_ranges(writer: Writer, only: Container[int] | None = None) -> None:
    """Compare a card with what was meant for it; what differs is noted in the writer.

    Args:
        writer: What was written.
        only: Offsets of the ranges to look at; ``None``: all.

    Raises:
        HostError: the device refuses.
    """
    ranges = sorted(each for each in writer.ranges() if only is None or each.offset in only)
    with writer.card.reader() as fd, ThreadPoolExecutor(DEPTH) as pool:
        list(pool.map(_Reader(writer, fd).check, ranges))
    writer.note_verified()


class _Reader:
    """One card that is read back; ``check`` is called by several threads at once."""

    def __init__(self, writer: Writer, fd: int) -> None:
        self._writer = writer
        self._fd = fd
        self._buffers = threading.local()

    def check(self, expected: Range) -> None:
        """Compare one range with what is on the card."""
        if self._writer.stopped.is_set():
            return
        if checksum(self._read(expected)) != expected.checksum:
            self._writer.differ(expected)

    def _read(self, wanted: Range) -> memoryview:
        """Read a range into a buffer that this thread has for itself."""
        if not hasattr(self._buffers, "own"):
            self._buffers.own = memoryview(mmap.mmap(-1, CHUNK))
        view: memoryview = self._buffers.own[: wanted.length]
        self._writer.card.read(view, wanted.offset, self._fd)
        return view
