"""A file for what is too large for memory, gone with the last reference to its path."""

import os
import tempfile
import weakref
from pathlib import Path, PosixPath
from typing import BinaryIO, cast

_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 - files in it have no name, or one that nobody guesses
_OPEN_FILES = Path("/proc/self/fd")


class ScratchPath(PosixPath):
    """Where the file can be opened; where the system can do that, it has no name of its own.

    Attributes:
        file: Keeps it.
    """

    file: BinaryIO


def temporary_folder() -> Path:
    """Return the folder for temporary files, as ``tempfile`` chooses it.

    That tries each with a file, which stays there when it is interrupted.
    """
    for name in (*map(os.environ.get, _VARIABLES), *_FOLDERS):
        if name and Path(name).is_dir() and os.access(name, os.W_OK | os.X_OK):
            return Path(name).absolute()
    return Path.cwd()


def make_scratch() -> ScratchPath:
    """Return the path of a new, empty file.

    Raises:
        OSError: the folder for temporary files cannot be written.
    """
    file = _open()
    nameless = _OPEN_FILES / str(file.fileno())
    path = ScratchPath(nameless if _OPEN_FILES.is_dir() else file.name)
    path.file = file
    weakref.finalize(path, file.close)
    return path


def _open() -> BinaryIO:
    """Open the file."""
    if _OPEN_FILES.is_dir():
        return tempfile.TemporaryFile(dir=temporary_folder())
    folder = temporary_folder()
    return cast("BinaryIO", tempfile.NamedTemporaryFile(prefix="photon-builder-", dir=folder))
