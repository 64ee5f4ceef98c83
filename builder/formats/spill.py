"""Bytes that are put aside for a while: in memory, and beyond a bound in a file without a name.

The file is made when it is needed, is never seen, and is gone with the process. What was written
to it and is not needed any more stays there until it is closed.
"""

import tempfile
from pathlib import Path
from typing import BinaryIO

from builder.formats.disk import MIB
from builder.formats.reading import read_fully
from builder.formats.stream import Segment, Span, write_all
from builder.host import place_of, refusal

_IN_MEMORY = 8 * MIB


class Spill:
    """A place for bytes.

    Args:
        directory: Where the file may be.
        in_memory: How many bytes are kept without one.
    """

    def __init__(self, directory: Path, *, in_memory: int = _IN_MEMORY) -> None:
        self._directory = directory
        self._room = in_memory
        self._file: BinaryIO | None = None
        self._end = 0

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, data: bytes) -> Segment:
        """Put bytes aside and return where they are now.

        Raises:
            HostError: there is no room for them.
        """
        if len(data) <= self._room:
            self._room -= len(data)
            return data
        if self._file is None:
            self._file = self._open()
        span = Span(self._file.fileno(), self._end, len(data))
        write_all(span.fd, data, span.offset)
        self._end += span.length
        return span

    def drop(self, kept: Segment) -> None:
        """Forget bytes that are not needed any more."""
        if not isinstance(kept, Span):
            self._room += len(kept)

    def _open(self) -> BinaryIO:
        """Open the file."""
        try:
            return tempfile.TemporaryFile(dir=self._directory, buffering=0)
        except OSError as error:
            raise refusal(OSError(error.errno, error.strerror), self._directory) from error


def load(kept: Segment) -> bytes:
    """Return bytes that were put aside.

    Raises:
        HostError: they cannot be read back.
    """
    if not isinstance(kept, Span):
        return kept
    try:
        return read_fully(kept.fd, kept.length, kept.offset)
    except OSError as error:
        raise refusal(error, place_of(kept.fd)) from error
