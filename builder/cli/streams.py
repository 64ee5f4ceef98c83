"""The two streams of a command: closed ones, names that the locale lacks, and a full disk."""

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
        """Write as much as there is room for; the rest counts as written."""
        left = memoryview(data).cast("B")
        with suppress(OSError):
            while left:
                left = left[super().write(left) :]
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make both streams take all that is written to them, as far as they can."""
    _open_missing_streams()
    _outlive_full_disks()
    _keep_odd_names()


def _outlive_full_disks() -> None:
    """Let messages get lost where standard error is a file on a full disk, or nobody reads it."""
    before = sys.stderr
    if before is not sys.__stderr__ or not isinstance(before, io.TextIOWrapper):
        return  # a test's, or one that was closed
    out = io.BufferedWriter(_Lossy(_STDERR, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(out, before.encoding, line_buffering=True)


def _open_missing_streams() -> None:
    """Give a process that was started with closed streams (``>&-``) somewhere to write."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _keep_odd_names() -> None:
    """Let names through that are not of the locale: as their bytes, or spelled out."""
    codecs.register_error("odd-names", _odd_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="odd-names")


def _odd_name(error: UnicodeError) -> tuple[bytes | str, int]:
    """Return what stands for letters that the locale does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    try:
        return found.encode("ascii", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return found.encode("ascii", "backslashreplace"), error.end
