"""Writes files into the cache: free space, complete writes, digests."""

import os
import shutil
from pathlib import Path
from typing import Protocol

from builder.digests import ALGORITHMS, PIECE, FollowingDigests
from builder.errors import HostError
from builder.host import host_errors

HINT = "choose another folder for the cache: export PHOTON_BUILDER_CACHE=DIR"


class RawWriter(Protocol):
    """A file opened without a buffer."""

    def write(self, piece: bytes | memoryview, /) -> int | None:
        """Write some of ``piece`` and return how much."""
        ...


def write_all(out: RawWriter, piece: bytes) -> None:
    """Write all of ``piece``, in several calls if needed."""
    rest = memoryview(piece)
    while rest:
        rest = rest[out.write(rest) or 0 :]


def check_room(folder: Path, size: int) -> None:
    """Check that ``size`` more bytes fit.

    Raises:
        HostError: less space is free.
    """
    with host_errors(folder, hint=HINT):
        free = shutil.disk_usage(folder).free
    if size > free:
        raise HostError(
            f"{folder}: {free / 1e6:.0f} MB free, wanted {size / 1e6:.0f} MB",
            hint=f"free space (photon-builder cache gc), or {HINT}",
        )


def copy_and_digest(source: Path, target: Path) -> dict[str, str]:
    """Copy a file and return every kind of digest of what was written."""
    with (
        host_errors(source),
        source.open("rb", buffering=0) as file,
        host_errors(target, hint=HINT),
        target.open("wb", buffering=0) as out,
    ):
        check_room(target.parent, os.fstat(file.fileno()).st_size)
        trail = FollowingDigests(target, ALGORITHMS)
        try:
            while piece := file.read(PIECE):
                write_all(out, piece)
                trail.reach(trail.size + len(piece))
            return trail.finish()
        finally:
            trail.drop()
