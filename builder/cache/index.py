"""Index of the cache: a small JSON document for each digest of a file.

The document under the SHA-256 is the one that counts; its time stamp is the last use. Documents
that cannot be read are ignored: the file itself is hashed again.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from builder.structs import Struct, asdict, replace


class Entry(Struct, frozen=True):
    """A file in the cache.

    Attributes:
        sha256: Digest and name of the file.
        size: Its length.
        filename: Name by its publisher.
        url: Address that it came from.
        time: Time of the download, seconds since the epoch.
        mtime_ns: Time stamp of the file when its digest was last computed.
        digests: Algorithm to every digest that is known.
        known_as: Its name in the catalog, when it was added as one of its files.
        inode: Inode of the file then.
        ctime_ns: Change time (ctime) then, which users cannot set.
    """

    sha256: str
    size: int
    filename: str
    url: str
    time: int
    mtime_ns: int
    digests: Mapping[str, str]
    known_as: str = ""
    inode: int = 0
    ctime_ns: int = 0

    def is_of(self, status: os.stat_result) -> bool:
        """Return whether a file is unchanged since its digest was computed."""
        known = self.size, self.mtime_ns, self.inode, self.ctime_ns
        return known == (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


class Index:
    """Entries by digest, in a folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, algorithm: str, digest: str) -> Entry | None:
        """Return the entry for a digest; ``None`` without a valid one."""
        try:
            return _parse_entry(self._path(algorithm, digest).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

    def write(self, entry: Entry) -> None:
        """Write an entry under all of its digests, under SHA-256 last."""
        from tempfile import NamedTemporaryFile

        text = json.dumps(asdict(entry), indent=1, sort_keys=True)
        for algorithm, digest in sorted(
            entry.digests.items(), key=lambda item: item[0] == "sha256"
        ):
            with NamedTemporaryFile(
                "w", dir=self.directory, prefix="tmp-", delete=False, encoding="utf-8"
            ) as out:
                out.write(text)
            Path(out.name).chmod(0o644)
            Path(out.name).replace(self._path(algorithm, digest))

    def remove(self, entry: Entry) -> None:
        """Remove an entry."""
        for algorithm, digest in entry.digests.items():
            self._path(algorithm, digest).unlink(missing_ok=True)

    def touch(self, sha256: str) -> None:
        """Record the use of the file, if the cache is writable."""
        with contextlib.suppress(OSError):
            os.utime(self._path("sha256", sha256))

    def last_use(self, entry: Entry) -> float:
        """Return the time of the last use, seconds since the epoch."""
        try:
            return self._path("sha256", entry.sha256).stat().st_mtime
        except OSError:
            return float(entry.time)

    def sweep(self, kept: frozenset[str]) -> None:
        """Remove entries of files that are not in ``kept`` (SHA-256)."""
        for path in self.directory.iterdir():
            try:
                stale = _parse_entry(path.read_bytes()).sha256 not in kept
            except (ValueError, RecursionError):
                stale = time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
            except OSError:
                stale = False
            if stale:
                path.unlink(missing_ok=True)

    def _path(self, algorithm: str, digest: str) -> Path:
        """Return where the entry for a digest lies."""
        return self.directory / f"{algorithm}-{digest}.json"


_ABANDONED_SECONDS = 3600


def entry_of(
    status: os.stat_result, digests: Mapping[str, str], names: tuple[str, str, str]
) -> Entry:
    """Return the entry of a file whose digests were just computed.

    Args:
        status: Of the file.
        digests: Algorithm to digest.
        names: How its publisher calls it, where it came from, what the catalog calls it.
    """
    filename, url, known_as = names
    return Entry(
        digests["sha256"],
        status.st_size,
        filename,
        url,
        int(time.time()),
        status.st_mtime_ns,
        dict(digests),
        known_as,
        status.st_ino,
        status.st_ctime_ns,
    )


def with_digests(entry: Entry, found: Mapping[str, str]) -> Entry:
    """Return the entry with more digests."""
    return replace(entry, digests={**entry.digests, **found})


def _parse_entry(text: bytes) -> Entry:
    """Return the entry in a JSON document, ``ValueError`` for anything else."""
    value = json.loads(text)
    match value:
        case {
            "sha256": str(sha256),
            "size": int(size),
            "filename": str(filename),
            "url": str(url),
            "time": int(moment),
            "mtime_ns": int(mtime_ns),
            "digests": {**digests},
            **more,
        } if digests.get("sha256") == sha256:
            known = {str(name): str(value) for name, value in digests.items()}
            known_as = str(more.get("known_as", ""))
            stamp = (_number(more.get(name)) for name in ("inode", "ctime_ns"))
            return Entry(sha256, size, filename, url, moment, mtime_ns, known, known_as, *stamp)
        case _:
            raise ValueError("not an entry of the cache")


def _number(value: object) -> int:
    """Return a number of an entry; zero, which fits no file, for one of an earlier version."""
    return value if isinstance(value, int) else 0
