"""A file for what is too large for memory, gone with the last reference to its path."""

import os
import tempfile
import weakref
from pathlib import Path, PosixPath
from typing import BinaryIO, cast

_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_FOLDERS = (Path("/", "tmp"), Path("/", "var", "tmp"))
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
    named = (Path(os.environ[name]).absolute() for name in _VARIABLES if os.environ.get(name))
    for folder in (*named, *_FOLDERS):
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
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
