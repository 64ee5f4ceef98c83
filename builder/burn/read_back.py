"""Reading a card back past the page cache, by a file descriptor of its own.

Each range was hashed while it was written, so the image is not read again.
"""

import mmap
import threading
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor

from builder.burn.card import read_exactly
from builder.burn.chunks import new_checksum
from builder.burn.writer import CardWriter, ExpectedRange
from builder.formats.disk import MIB

_READ_SIZE = MIB
"""Bytes of one read: small enough to be hashed while still in the processor's cache."""
_THREADS = 4


def read_back(writer: CardWriter, only: Container[int] | None = None) -> None:
    """Compare a card with what was written to it; differences are noted in the writer.

    Args:
        writer: The card's writer.
        only: Offsets of the ranges to read; ``None`` for all.

    Raises:
        HostError: the device fails.
    """
    ranges = sorted(each for each in writer.ranges() if only is None or each.offset in only)
    buffers = threading.local()

    def check(expected: ExpectedRange) -> None:
        if writer.stopped.is_set():
            return
        if not hasattr(buffers, "own"):
            buffers.own = memoryview(mmap.mmap(-1, _READ_SIZE))
        found: list[bytes] = []
        own: memoryview = buffers.own
        writer.card.request(lambda: found.append(_hash(fd, expected, own)), expected.offset)
        if found[-1] != expected.checksum:
            writer.note_difference(expected)

    with writer.card.reader() as fd, ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(check, ranges))
    writer.note_verified()


def _hash(fd: int, expected: ExpectedRange, buffer: memoryview) -> bytes:
    """Read a range and return its checksum."""
    found, end = new_checksum(), expected.offset + expected.length
    for offset in range(expected.offset, end, len(buffer)):
        view = buffer[: end - offset]
        read_exactly(fd, view, offset)
        found.update(view)
    return found.digest()
