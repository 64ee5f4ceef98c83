"""Reading a card back, past the page cache, by a descriptor of its own.

What each range is to hold was summed up while it was written, so the image need not be read again.
"""

import mmap
import threading
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor

from builder.burn.card import fill
from builder.burn.memory import Sum
from builder.burn.writer import Range, Writer
from builder.formats.disk import MIB

_PIECE = MIB
"""What is read at once: it is still near the processor when it is summed up."""
_THREADS = 4


def check_ranges(writer: Writer, only: Container[int] | None = None) -> None:
    """Compare a card with what was meant for it; what differs is noted in the writer.

    Args:
        writer: What was written.
        only: Offsets of the ranges to look at; ``None``: all.

    Raises:
        HostError: the device refuses.
    """
    ranges = sorted(each for each in writer.ranges() if only is None or each.offset in only)
    with writer.card.reader() as fd, ThreadPoolExecutor(_THREADS) as pool:
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
        if not hasattr(self._buffers, "own"):
            self._buffers.own = memoryview(mmap.mmap(-1, _PIECE))
        found: list[bytes] = []
        own: memoryview = self._buffers.own
        self._writer.card.ask(lambda: found.append(_sum(self._fd, expected, own)), expected.offset)
        if found[-1] != expected.checksum:
            self._writer.differ(expected)


def _sum(fd: int, wanted: Range, buffer: memoryview) -> bytes:
    """Read a range, as much at once as fits, and sum it up."""
    found, end = Sum(), wanted.offset + wanted.length
    for offset in range(wanted.offset, end, len(buffer)):
        view = buffer[: end - offset]
        fill(fd, view, offset)
        found.update(view)
    return found.digest()
