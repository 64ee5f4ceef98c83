"""Progress of a file that is being written, for readers that follow the writer.

Does not read or write: see ``stream``.
"""

import threading


class Run:
    """Where a run of a file that is being written can be read.

    Attributes:
        fd: The file itself, or where the kernel copied from.
        shift: Added to an offset of the file that is written.
        end: Where the run ends in that.
    """

    __slots__ = ("end", "fd", "shift")

    def __init__(self, fd: int, shift: int, end: int) -> None:
        self.fd = fd
        self.shift = shift
        self.end = end


class Position:
    """How far a file has been written, for readers that follow the writer."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.writer = threading.get_ident()
        self.written = 0
        self.ended = False
        self.abandoned = False
        self.runs: list[Run] = []
        self._changed = threading.Condition()

    def advance(self, amount: int, source: tuple[int, int] | None = None) -> None:
        """Let the followers have ``amount`` more bytes, that lie in a source at an offset too."""
        fd, offset = source or (self.fd, self.written)
        shift = offset - self.written
        with self._changed:
            self.written += amount
            if self.runs and (self.runs[-1].fd, self.runs[-1].shift) == (fd, shift):
                self.runs[-1].end = self.written
            else:
                self.runs.append(Run(fd, shift, self.written))
            self._changed.notify_all()

    def end(self, *, abandoned: bool) -> None:
        """Mark the file as complete."""
        with self._changed:
            self.abandoned = self.abandoned or (abandoned and not self.ended)
            self.ended = True
            self._changed.notify_all()

    def wait_beyond(self, position: int) -> int:
        """Block until there is more than ``position`` bytes, or no more to come."""
        with self._changed:
            while self.written <= position and not self.ended:
                self._changed.wait()
            return self.written
