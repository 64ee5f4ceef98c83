"""Reading a card back, past the page cache, by a descriptor of its own.

An image that lies there as it is gets compared byte by byte; of one that passes by, compressed or
from a server, the digests of its ranges were kept.
"""

import hashlib
import mmap
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from builder.burn.chunks import CHUNK, Task
from builder.burn.memory import is_same
from builder.burn.spread import DEPTH, Lane, spread
from builder.burn.writer import Writer


class _Reader:
    """One card that is read back; ``take`` and ``check`` are called by several threads at once."""

    def __init__(self, writer: Writer, fd: int) -> None:
        self._writer = writer
        self._fd = fd
        self._buffers = threading.local()

    def take(self, task: Task) -> None:
        """Compare one part of the image with what is on the card."""
        for offset, view in self._writer.parts_of(task):
            if not is_same(view, self._read(offset, len(view))):
                self._writer.differ(offset, len(view))

    def check(self, expected: tuple[int, int, bytes]) -> None:
        """Compare the digest of one range with what is on the card."""
        offset, length, digest = expected
        if self._writer.stopped.is_set():
            return
        if hashlib.sha256(self._read(offset, length)).digest() != digest:
            self._writer.differ(offset, length)

    def _read(self, offset: int, length: int) -> memoryview:
        """Read a range into a buffer that this thread has for itself."""
        if not hasattr(self._buffers, "own"):
            self._buffers.own = memoryview(mmap.mmap(-1, CHUNK))
        view: memoryview = self._buffers.own[:length]
        self._writer.card.read(view, offset, self._fd)
        return view


def compare(tasks: Callable[[], Iterator[Task]], lanes: Sequence[Lane]) -> None:
    """Compare cards with an image that is read once more for all of them.

    What differs is noted in each writer; a card that cannot be read has a failure afterwards.
    """
    with ExitStack() as stack:
        readers = []
        for lane in lanes:
            fd = stack.enter_context(lane.writer.card.reader())
            readers.append(Lane(lane.writer, _Reader(lane.writer, fd).take))
        spread(tasks(), readers, lanes[0].writer.stopped)
    for lane, reader in zip(lanes, readers, strict=True):
        lane.failure = lane.failure or reader.failure
        lane.writer.note_verified()


def check_digests(writer: Writer, only: Container[int] | None = None) -> None:
    """Compare a card with the digests that were kept; what differs is noted in the writer.

    Raises:
        HostError: the device refuses.
    """
    ranges = sorted(each for each in writer.ranges() if only is None or each[0] in only)
    with writer.card.reader() as fd, ThreadPoolExecutor(DEPTH) as pool:
        list(pool.map(_Reader(writer, fd).check, ranges))
    writer.note_verified()
