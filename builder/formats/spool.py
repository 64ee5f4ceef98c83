"""Spooled temporary storage: in memory, and beyond a limit in an anonymous temporary file.

The file is created when it is needed, has no name, and goes with the process. Bytes that were
written to it and dropped stay allocated until it is closed.
"""

import tempfile
from pathlib import Path
from typing import BinaryIO

from builder.formats.disk import MIB
from builder.formats.reading import read_fully
from builder.formats.stream import Segment, Span, write_all
from builder.host import place_of, refusal

_IN_MEMORY = 8 * MIB


class Spool:
    """Spooled temporary storage of byte strings.

    Args:
        directory: Filesystem of the temporary file.
        in_memory: Bytes that are kept in memory.
    """

    def __init__(self, directory: Path, *, in_memory: int = _IN_MEMORY) -> None:
        self._directory = directory
        self._room = in_memory
        self._file: BinaryIO | None = None
        self._end = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, data: bytes) -> Segment:
        """Store bytes and return their place.

        Raises:
            HostError: the disk is full.
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
        """Drop stored bytes."""
        if not isinstance(kept, Span):
            self._room += len(kept)

    def _open(self) -> BinaryIO:
        try:
            return tempfile.TemporaryFile(dir=self._directory, buffering=0)
        except OSError as error:
            raise refusal(OSError(error.errno, error.strerror), self._directory) from error


def load(kept: Segment) -> bytes:
    """Return stored bytes.

    Raises:
        HostError: they cannot be read back.
    """
    if not isinstance(kept, Span):
        return kept
    try:
        return read_fully(kept.fd, kept.length, kept.offset)
    except OSError as error:
        raise refusal(error, place_of(kept.fd)) from error
