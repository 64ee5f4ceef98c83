"""A download under way: a file that grows, its digests, and where it came from.

Beside the file lies ``<name>.json`` with a digest of the address, which may hold a password, and
the validator, so that another run can resume it; without that note it is resumed anyway,
and the digest of the file decides.
"""

import json
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Self

from builder.cache.writing import HINT, write_all
from builder.digests import FollowingDigests
from builder.host import host_errors


class Partial:
    """A partial download; it belongs to the holder of its lock.

    Attributes:
        size: Bytes that are there.
        is_spliced: Whether parts of several answers were joined without the server's word that
            the file had not changed.
    """

    def __init__(self, path: Path, algorithms: Iterable[str]) -> None:
        self.path = path
        self._algorithms = frozenset(algorithms)
        self._note = path.with_name(f"{path.name}.json")
        with host_errors(path, hint=HINT):
            path.touch()
            self._file = path.open("r+b", buffering=0)
            self._trail = FollowingDigests(path, self._algorithms)
            self._trail.reach(self._file.seek(0, os.SEEK_END))
        self.is_spliced = self.size > 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._trail.drop()
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self._trail.size

    def append(self, piece: bytes) -> None:
        """Write the next piece."""
        with host_errors(self.path, hint=HINT):
            write_all(self._file, piece)
        self._trail.reach(self.size + len(piece))

    def restart(self) -> None:
        """Truncate the file and restart the digests."""
        self._trail.drop()
        self.is_spliced = False
        with host_errors(self.path, hint=HINT):
            self._file.seek(0)
            self._file.truncate()
            self._note.unlink(missing_ok=True)
            self._trail = FollowingDigests(self.path, self._algorithms)

    def validator(self, url: str) -> str:
        """Return the validator of the partial file at ``url``; empty when unknown."""
        try:
            match json.loads(self._note.read_bytes()):
                case {"url": str(noted), "validator": str(validator)} if noted == _digest(url):
                    return validator
        except (OSError, ValueError, RecursionError):
            pass
        return ""

    def note(self, url: str, validator: str, filename: str) -> None:
        """Record the address and the validator beside the partial file."""
        told = {"url": _digest(url), "validator": validator, "name": filename}
        with host_errors(self._note, hint=HINT):
            self._note.write_text(json.dumps(told))

    def finish(self) -> dict[str, str]:
        """Return the digests of what is there, and on the disk; nothing can be appended after."""
        with host_errors(self.path, hint=HINT):
            os.fsync(self._file.fileno())  # the digests are computed meanwhile
            return self._trail.finish()

    def remove(self) -> None:
        """Remove the file, or just the note when the file has been moved to its place."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def kept_parts(folder: Path, since: float) -> list[tuple[str, int]]:
    """Return name and size of partial downloads that were written since a time.

    Args:
        folder: The folder of partial files.
        since: Seconds since the epoch.
    """
    found = []
    for note in sorted(folder.glob("*.json")):
        try:
            status = note.with_suffix("").stat()
            name = json.loads(note.read_bytes())["name"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
        if status.st_size and status.st_mtime >= since:
            found.append((str(name), status.st_size))
    return found


def _digest(url: str) -> str:
    """Return a digest of an address, which may hold a password."""
    return sha256(url.encode("utf-8", "surrogateescape")).hexdigest()
