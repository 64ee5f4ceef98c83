"""An artifact that is good already, put into another build without copying it.

A hard link where the filesystem has them, link(2): old builds can go, and the bytes stay. Else
a copy, holes staying holes.
"""

import os
from contextlib import suppress
from pathlib import Path

from builder.artifact import files_of, read_sums, write_sums
from builder.formats.sparse import Window, copy_sparse


def carry(artifact: Path, folder: Path) -> None:
    """Put an artifact, what belongs to it, and their lines of ``SHA256SUMS`` into ``folder`` too.

    Raises:
        OSError: there is no room, or no permission.
    """
    sums = read_sums(artifact.parent)
    for path in files_of(artifact):
        if not _linked(path, folder / path.name):
            _copy(path, folder / path.name)
        write_sums(folder / path.name, sums.get(path.name, ""))


def _linked(path: Path, twin: Path) -> bool:
    """Return whether a file could be given a second name."""
    with suppress(OSError):
        twin.hardlink_to(path)
        return True
    return False


def _copy(path: Path, twin: Path) -> None:
    """Copy a file with its time, by which the next run knows that it is untouched."""
    with path.open("rb") as source, twin.open("xb") as target:
        status = os.fstat(source.fileno())
        copy_sparse(Window(source.fileno(), 0, status.st_size), target.fileno())
    os.utime(twin, ns=(status.st_atime_ns, status.st_mtime_ns))
