"""What this machine refuses, as a sentence that says what to do about it.

Covers files and folders of our own (the cache, downloads); errno values are those of POSIX.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from builder.addresses import shown_path
from builder.errors import HostError, code_of

_REFUSALS = {
    errno.ENOSPC: "there is no room left on its filesystem",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EROFS: "the filesystem is read-only",
    errno.ENOTDIR: "a file lies where a folder is wanted",
    errno.EEXIST: "a file lies where a folder is wanted",
    errno.EISDIR: "it is a folder; wanted a file",
    errno.ENOENT: "no such file or folder",
    errno.ENOLCK: "its filesystem cannot lock files",
    errno.EIO: "the disk fails",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
}

_HINTS = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "make room on that filesystem (df -h), or choose another folder",
    ),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "get permission for that path, or choose another"),
    errno.EMFILE: "raise the limit: ulimit -n 4096",
    errno.EROFS: "choose a folder that can be written",
}


class FileState(NamedTuple):
    """What of a file is another when it was replaced or written to; the last nobody can set."""

    device: int
    inode: int
    size: int
    written_ns: int
    changed_ns: int


def state_of(path: Path) -> FileState:
    """Return what tells whether a file stays as it is.

    Raises:
        HostError: there is none, or it is no file.
    """
    with host_errors(path, hint="check the path and its permissions"):
        found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise HostError(f"{path}: is not a regular file; wanted one")
    times = found.st_mtime_ns, found.st_ctime_ns
    return FileState(found.st_dev, found.st_ino, found.st_size, *times)


@contextmanager
def host_errors(path: Path, *, hint: str = "") -> Iterator[None]:
    """Turn what the operating system refuses about ``path`` into a sentence.

    Raises:
        HostError: names the path that the refusal is about.
    """
    try:
        yield
    except OSError as error:
        raise refusal(error, path, hint=hint) from error


def refusal(error: OSError, about: Path | str = "", *, hint: str = "") -> HostError:
    """Return the sentence for one refusal.

    Args:
        error: What the system said; the path in it is preferred.
        about: The path, or what was being done.
        hint: What to do; empty takes the usual advice for the reason.
    """
    reason = _REFUSALS.get(error.errno or 0, error.strerror or str(error))
    where = shown_path(str(error.filename or about))
    text = f"{where}: {reason}" if where else reason
    return HostError(text, hint=hint or _HINTS.get(error.errno or 0, ""), code=code_of(error))


def place_of(descriptor: int) -> str:
    """Return where an open file lies: its path, or the folder of one that has no name."""
    try:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        return f"descriptor {descriptor}"
    return str(path.parent if path.name.endswith(" (deleted)") else path)


def flush_to_disk(path: Path) -> None:
    """Return when a file or folder has reached the disk: a name must not outlive its bytes.

    Raises:
        HostError: the disk fails, or is full.
    """
    with host_errors(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
