"""Maintenance of the cache: list, check and remove files."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from builder.cache.index import Entry, Index
from builder.cache.locks import hold_if_free
from builder.digests import digest_file
from builder.structs import Struct

SECONDS_A_DAY = 86_400


class Checked(Struct, frozen=True):
    """Result of checking a file.

    Attributes:
        entry: The file.
        found: The SHA-256 that it has now.
        moved: New path of a damaged file; ``None`` for an intact one.
    """

    entry: Entry
    found: str
    moved: Path | None


class Swept(Struct, frozen=True):
    """Removed files.

    Attributes:
        removed: Files, least recently used first.
        freed: Bytes, partial downloads included.
    """

    removed: tuple[Entry, ...]
    freed: int


def iter_entries(blobs: Path, index: Index) -> Iterator[Entry]:
    """Yield an entry for every file; one that the index lacks has no name."""
    if not blobs.is_dir():
        return
    for path in sorted(blobs.iterdir()):
        with suppress(FileNotFoundError):
            status = path.stat()
            entry = index.read("sha256", path.name)
            yield entry or Entry(
                path.name,
                status.st_size,
                "",
                "",
                int(status.st_mtime),
                status.st_mtime_ns,
                {"sha256": path.name},
            )


def check_entry(entry: Entry, blob: Path, set_aside: Callable[[Path], Path]) -> Checked:
    """Hash a file again; move it aside when it is damaged."""
    _, found = digest_file(blob, ["sha256"])
    sound = found["sha256"] == entry.sha256
    return Checked(entry, found["sha256"], None if sound else set_aside(blob))


def choose(
    entries: Sequence[Entry], index: Index, max_age_days: float | None, max_bytes: int | None
) -> list[Entry]:
    """Return the entries that a limit removes, least recently used first; no limit removes all."""
    oldest_first = sorted(entries, key=index.last_use)
    if max_age_days is None and max_bytes is None:
        return oldest_first
    deadline = None if max_age_days is None else time.time() - max_age_days * SECONDS_A_DAY
    total = sum(entry.size for entry in entries)
    chosen = []
    for entry in oldest_first:
        too_old = deadline is not None and index.last_use(entry) < deadline
        if too_old or (max_bytes is not None and total > max_bytes):
            chosen.append(entry)
            total -= entry.size
    return chosen


def remove_idle(directory: Path, idle_seconds: float) -> int:
    """Remove unlocked downloads, idle locks and damaged files; return the bytes freed."""
    deadline = time.time() - idle_seconds
    freed = 0
    for lock in (directory / "locks").iterdir():
        with hold_if_free(lock) as free:
            if not free:
                continue
            part = directory / "partial" / lock.stem
            freed += _remove_older(part, deadline)
            if not part.exists():
                part.with_name(f"{part.name}.json").unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
    for folder in ("partial", "damaged"):
        freed += _remove_unlocked(directory / folder, directory / "locks", deadline)
    return freed


def _remove_unlocked(folder: Path, locks: Path, deadline: float) -> int:
    """Remove old files of ``folder`` that have no lock."""
    if not folder.is_dir():
        return 0
    return sum(
        _remove_older(path, deadline)
        for path in folder.iterdir()
        if not (locks / f"{path.name.removesuffix('.json')}.lock").exists()
    )


def _remove_older(path: Path, deadline: float) -> int:
    """Remove a file that was not written since ``deadline``; return its size."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    if status.st_mtime > deadline:
        return 0
    path.unlink(missing_ok=True)
    return status.st_size


def idle_seconds(max_age_days: float | None, max_bytes: int | None) -> float:
    """Return how long an unfinished download is kept, to be resumed."""
    if max_age_days is not None:
        return max_age_days * SECONDS_A_DAY
    return 0.0 if max_bytes is None else 7.0 * SECONDS_A_DAY
