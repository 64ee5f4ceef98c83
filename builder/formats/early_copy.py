"""The beginning of a file, copied in threads while what changes in it is still being worked out.

For containers whose old bytes stay where they are: most of the new file is there by the time that
its layout is known. Whoever writes the file afterwards waits until the copy has passed a place
before anything else goes there. Where the kernel cannot share blocks two threads read and write in
turn: one reads while the other has the file to itself, which is twice as fast as one alone.

Imports next to nothing, so that a program can begin to copy before it has read the rest of itself.
Does not report errors: it ends early, and the writer, who then copies the rest, meets the reason.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from builder.formats.kernel_copy import can_share, iter_copied, read_into
from builder.formats.position import Position

_PIECE = 1 << 20
_THREADS = 2


class EarlyCopy:
    """A copy of bytes ``[0, length)`` of one open file to the same places of another.

    Args:
        source: The file that is copied.
        target: The file that is written, until :meth:`stop`.
        length: How much of it, in bytes.
    """

    def __init__(self, source: int, target: int, length: int) -> None:
        self.length = length
        self._source = source
        self._target = target
        self._position = Position(target)
        self._stopped = False
        self._lock = threading.Lock()
        self._offsets = iter(range(0, length, _PIECE))
        self._done: dict[int, int] = {}
        shares = can_share(source, target)
        if not shares:
            _reserve(target, length)
        work = [self._share] if shares else [self._copy] * _THREADS
        self._running = len(work)
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in self._threads:
            thread.start()

    def is_of(self, fd: int) -> bool:
        """Tell whether an open file is the one that is copied."""
        return os.path.sameopenfile(fd, self._source)

    def iter_done(self, start: int, end: int) -> Iterator[int]:
        """Yield lengths of pieces from ``start`` on as they are there; ends where the copy did."""
        while start < end:
            reached = min(self._position.wait_beyond(start), end)
            if reached <= start:
                return
            yield reached - start
            start = reached

    def let_pass(self, end: int) -> None:
        """Wait until nothing is written before ``end`` any more."""
        self._position.wait_beyond(min(end, self.length) - 1)

    def stop(self) -> None:
        """End the copy where it is."""
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def _share(self) -> None:
        """Let the kernel copy, piece by piece."""
        try:
            for count in iter_copied(self._source, 0, self.length, (self._target, 0)):
                self._position.advance(count)
                if self._stopped:
                    return
        finally:
            self._end()

    def _copy(self) -> None:
        """Copy pieces, in turn with the other threads."""
        buffer = memoryview(bytearray(_PIECE))
        try:
            while not self._stopped and (offset := self._take()) >= 0:
                wanted = min(_PIECE, self.length - offset)
                if read_into(self._source, buffer[:wanted], offset) != wanted:
                    return
                if os.pwrite(self._target, buffer[:wanted], offset) != wanted:
                    return
                self._tell(offset, wanted)
        except OSError:
            return
        finally:
            self._end()

    def _take(self) -> int:
        """Return the offset of the next piece, -1 when there is none."""
        with self._lock:
            return next(self._offsets, -1)

    def _tell(self, offset: int, count: int) -> None:
        """Let the writer have what is copied from the beginning on without a gap."""
        with self._lock:
            self._done[offset] = count
            while (reached := self._done.pop(self._position.written, 0)) > 0:
                self._position.advance(reached)

    def _end(self) -> None:
        """Tell the writer that nothing more will come, when the last thread ends."""
        with self._lock:
            self._running -= 1
            self._stopped = True
            last = not self._running
        if last:
            self._position.end(abandoned=False)


def _reserve(fd: int, size: int) -> None:
    """Reserve room, which makes writing faster, where the filesystem can do that."""
    reserve = getattr(os, "posix_fallocate", None)
    if size and reserve is not None:
        with suppress(OSError):
            reserve(fd, 0, size)


@contextmanager
def copy_early(source: int, target: int, length: int) -> Iterator[EarlyCopy]:
    """Start a copy that has ended when the context does, come what may."""
    copy = EarlyCopy(source, target, length)
    try:
        yield copy
    finally:
        copy.stop()
