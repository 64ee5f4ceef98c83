"""Copies the beginning of a file in a thread while the changes to it are still computed.

For containers whose old bytes stay where they are: most of the new file is there by the time that
its layout is known. Whoever writes the file afterwards waits until the copy has passed a place
before anything else goes there.

One thread, and the kernel copies: two that read and write in turn are faster while nothing else
runs, but in a build digests and the interpreter do. Imports next to nothing, so that a program can
begin to copy before it has read the rest of itself. Does not report errors: it ends early, and the
writer, who then copies the rest, meets the reason.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from builder.formats.kernel_copy import can_share, iter_copied
from builder.formats.position import Position


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
        self._reserves = not can_share(source, target)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_of(self, fd: int) -> bool:
        """Return whether an open file is the one that is copied."""
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
        self._thread.join()

    def _run(self) -> None:
        """Copy, piece by piece."""
        try:
            to = (self._target, 0)
            for count in iter_copied(self._source, 0, self.length, to, reserves=self._reserves):
                self._position.advance(count)
                if self._stopped:
                    return
        finally:
            self._position.end(abandoned=False)


@contextmanager
def copy_early(source: int, target: int, length: int) -> Iterator[EarlyCopy]:
    """Start a copy that has ended when the context does, come what may."""
    copy = EarlyCopy(source, target, length)
    try:
        yield copy
    finally:
        copy.stop()
