"""Standard output and error: closed streams, names outside of the locale, full disks."""

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDERR = 2


class _Lossy(io.FileIO):
    """Standard error: a message that cannot be written does not change how the command ends."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write as much as fits on the disk; drop the rest."""
        left = memoryview(data).cast("B")
        with suppress(OSError):
            while left:
                left = left[super().write(left) :]
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make both streams robust: closed streams, unencodable names, full disks."""
    _open_missing_streams()
    _outlive_full_disks()
    _keep_odd_names()


def _outlive_full_disks() -> None:
    """Drop messages if standard error is on a full disk or its reader has gone."""
    before = sys.stderr
    if before is not sys.__stderr__ or not isinstance(before, io.TextIOWrapper):
        return  # replaced by a test, or closed
    out = io.BufferedWriter(_Lossy(_STDERR, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(out, before.encoding, line_buffering=True)


def _open_missing_streams() -> None:
    """Open /dev/null for streams that were closed at the start (``>&-``)."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _keep_odd_names() -> None:
    """Print names that the locale cannot encode as their bytes, or escaped."""
    codecs.register_error("odd-names", _odd_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="odd-names")


def _odd_name(error: UnicodeError) -> tuple[bytes | str, int]:
    """Return the escape of characters that the locale cannot encode."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    try:
        return found.encode("ascii", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return found.encode("ascii", "backslashreplace"), error.end
