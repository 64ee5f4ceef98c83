"""Copies ranges between files in the kernel, which shares their blocks where it can.

Sources: copy_file_range(2) and ioctl_ficlonerange(2) of Linux: XFS, Btrfs and others share what
lies on whole blocks in both files, all else is copied without passing through this process.

Does not say why it stopped: what it left is for a reader and a writer, who meet the reason.
"""

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

_UNIT = 1 << 16
"""A multiple of every filesystem's block; what is shared begins and ends on one."""

_LARGEST = 1 << 26
"""Digests follow the writer, so they should not have to wait long; each piece costs a call."""

_FICLONERANGE = 0x4020940D
_RANGE = struct.Struct("=qQQQ")
"""Descriptor of the source, offset in it, length, offset in the target."""


def can_share(source: int, target: int) -> bool:
    """Return whether two open files can have blocks in common; the target may be overwritten.

    Where they cannot, allocating space in advance makes copying faster.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONERANGE, _RANGE.pack(source, 0, _UNIT, 0))
    except OSError:
        return False
    return True


def reserve(fd: int, offset: int, length: int) -> None:
    """Allocate space for a range, which speeds up writing, where the filesystem supports it."""
    allocate = getattr(os, "posix_fallocate", None)
    if length and allocate is not None:
        with suppress(OSError):
            allocate(fd, offset, length)


def read_into(fd: int, view: memoryview, offset: int) -> int:
    """Read at ``offset`` and return how many bytes there were; old systems lack ``preadv``."""
    if hasattr(os, "preadv"):
        return os.preadv(fd, [view], offset)
    data = os.pread(fd, len(view), offset)
    view[: len(data)] = data
    return len(data)


def iter_copied(
    fd: int, offset: int, length: int, to: tuple[int, int], *, reserves: bool = False
) -> Iterator[int]:
    """Copy a run of a file and yield the length of each piece that is in its place.

    Ends early, or before it began, where the system, the filesystem or the places in both files
    do not suit, or where the source ends.

    Args:
        fd: Source.
        offset: Where the run begins in it.
        length: Its bytes.
        to: The file that is written, and where in it.
        reserves: Allocate space piece by piece, where blocks cannot be shared. Of a file of
            some GB all at once was slower, on ext4 of Linux 6.18.
    """
    target, at = to
    done = 0
    if not hasattr(os, "copy_file_range") or (at - offset) % _UNIT:
        return
    while done < length:
        count = _next(at + done, length - done)
        if reserves:
            reserve(target, at + done, count)
        try:
            count = os.copy_file_range(fd, target, count, offset + done, at + done)
        except OSError:
            return
        if not count:
            return
        done += count
        yield count


def _next(at: int, left: int) -> int:
    """Return the length of the next piece: up to a whole unit, then as many of them as go."""
    if at % _UNIT or left < _UNIT:
        return min(left, _UNIT - at % _UNIT)
    return min(_LARGEST, left - left % _UNIT)
