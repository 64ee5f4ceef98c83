"""The cache of downloads, by content.

    blobs/sha256/<hex>          files, read-only; a file is here whole and checked, or not at all
    index/<algorithm>-<hex>.json  which published digest is which file, see ``index``
    partial/                    downloads under way; each belongs to the holder of its lock
    locks/                      empty files, see ``locks``; left-over ones mean nothing
    damaged/                    files that no longer have their digest, moved out of the way

The folder is ``$PHOTON_BUILDER_CACHE``, else ``$XDG_CACHE_HOME/photon-builder``, else
``~/.cache/photon-builder`` (XDG Base Directory Specification 0.8). Several processes may share
it; the end of any of them at any moment leaves nothing wrong behind. One that others may write is
refused. It does not download.
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from builder.cache import upkeep
from builder.cache.index import Entry, Index, entry_of, with_digests
from builder.cache.locks import hold
from builder.cache.ownership import check_owner
from builder.cache.upkeep import Checked, Swept
from builder.cache.writing import HINT, copy_and_digest
from builder.digests import Verified, check_digests, check_found, digest_file, seal
from builder.errors import HostError
from builder.host import flush_to_disk, host_errors
from builder.structs import replace

__all__ = ["Cache", "Checked", "Entry", "Swept", "Verified", "default_directory"]

VARIABLE = "PHOTON_BUILDER_CACHE"


def default_directory() -> Path:
    """Return the directory of the cache, from the environment."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "photon-builder"
    return Path.home() / ".cache" / "photon-builder"


class Cache:
    """Files by digest, in a directory that is created on first use."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()
        self._blobs = self.directory / "blobs" / "sha256"
        self._index = Index(self.directory / "index")

    def find(self, digests: Mapping[str, str]) -> Verified | None:
        """Return the file that has all of ``digests``; ``None`` without digests.

        A file that was changed since it was checked is hashed again.
        """
        check_owner(self.directory)
        wanted = check_digests(digests)
        for algorithm, digest in wanted.items():
            known = None if algorithm == "sha256" else self._index.read(algorithm, digest)
            sha256 = digest if algorithm == "sha256" else known and known.sha256
            entry = self._sound_entry(sha256) if sha256 else None
            if entry and self._has_all(entry, wanted):
                self._index.touch(entry.sha256)
                return self._verified(entry)
        return None

    def find_unpublished(self, name: str, addresses: Collection[str]) -> Verified | None:
        """Return the newest file that came from one of ``addresses`` or was added as ``name``."""
        check_owner(self.directory)
        fitting = [
            entry
            for entry in self.ls()
            if entry.url in addresses or (name and entry.known_as == name)
        ]
        for entry in sorted(fitting, key=lambda entry: entry.time, reverse=True):
            if sound := self._sound_entry(entry.sha256):
                self._index.touch(sound.sha256)
                return self._verified(sound)
        return None

    def add_file(
        self,
        path: Path,
        digests: Mapping[str, str] | None = None,
        *,
        name: Callable[[Mapping[str, str]], str] = lambda _: "",
    ) -> Verified:
        """Copy a file into the cache, under every kind of digest.

        Args:
            path: The file.
            digests: Expected digests.
            name: Returns the catalog's name for all digests of the file, or raises.

        Raises:
            DigestMismatch: one of ``digests`` differs.
            HostError: the file cannot be read, or the cache cannot be written.
        """
        wanted = check_digests(digests or {})
        with host_errors(path, hint="check the path and its permissions"):
            if not path.is_file():
                path.stat()
                raise HostError(f"{path}: is not a regular file")
        with self._scratch() as copy:
            found = copy_and_digest(path, copy)
            check_found(path.name, wanted, found, str(path))
            known_as, origin = name(found), path.resolve().as_uri()
            return self.adopt(copy, found, filename=path.name, url=origin, known_as=known_as)

    def adopt(
        self,
        path: Path,
        digests: Mapping[str, str],
        *,
        filename: str,
        url: str,
        known_as: str = "",
    ) -> Verified:
        """Move a file of ``partial/`` into the cache; ``digests`` were computed from its bytes.

        Raises:
            HostError: the cache cannot be written.
        """
        place = self._blobs / digests["sha256"]
        with host_errors(self.directory, hint=HINT):
            self._make_folders()
            if (known := self._sound_entry(digests["sha256"])) is not None:  # it may be in use
                path.unlink()
                known = replace(known, known_as=known_as or known.known_as)
                return self._again(known, digests)
            flush_to_disk(path)
            path.replace(place)
            place.chmod(0o444)
            flush_to_disk(place.parent)
            entry = entry_of(place.stat(), digests, (filename, url, known_as))
            self._index.write(entry)
        return self._verified(entry)

    def _again(self, known: Entry, digests: Mapping[str, str]) -> Verified:
        """Add further digests to a file that is already cached."""
        entry = with_digests(known, digests)
        self._index.write(entry)
        return self._verified(entry)

    def lock(self, key: str, waiting: Callable[[], object]) -> AbstractContextManager[Path]:
        """Lock ``key``, and yield the path for its download.

        Calls ``waiting`` once when another process holds it. The lock ends with the process.

        Raises:
            HostError: the folder cannot be made or written.
        """
        return self._locked(key, waiting)

    def folder(self, name: str) -> Path:
        """Return a subdirectory of the cache for another module.

        Raises:
            HostError: it cannot be created, or others may write the cache.
        """
        with host_errors(self.directory, hint=HINT):
            self._make_folders()
            (self.directory / name).mkdir(mode=0o755, exist_ok=True)
        check_owner(self.directory)
        return self.directory / name

    def ls(self) -> list[Entry]:
        """Return the cached files, most recently used first."""
        found = upkeep.iter_entries(self._blobs, self._index)
        return sorted(found, key=self._index.last_use, reverse=True)

    def verify(self) -> Iterator[Checked]:
        """Check the digest of every file; damaged files are moved aside."""
        for entry in self.ls():
            yield upkeep.check_entry(entry, self._blobs / entry.sha256, self._set_aside)

    def gc(
        self,
        *,
        max_age_days: float | None = None,
        max_bytes: int | None = None,
        keep: Collection[str] = (),
        dry_run: bool = False,
    ) -> Swept:
        """Remove files by age of last use, or down to a total size; with neither, all files.

        Args:
            max_age_days: Remove files that were not used for this many days.
            max_bytes: Remove the least recently used files until the rest fits.
            keep: SHA-256 of files to keep.
            dry_run: Return the files, remove nothing.

        Raises:
            HostError: the cache cannot be written.
        """
        entries = self.ls()
        chosen = upkeep.choose(entries, self._index, max_age_days, max_bytes)
        gone = [entry for entry in chosen if entry.sha256 not in keep]
        swept = Swept(tuple(gone), sum(entry.size for entry in gone))
        if dry_run or not self._blobs.is_dir():
            return swept
        with host_errors(self.directory, hint=HINT):
            for entry in gone:
                self._index.remove(entry)
                (self._blobs / entry.sha256).unlink(missing_ok=True)
            self._index.sweep(frozenset(e.sha256 for e in entries) - {e.sha256 for e in gone})
            left_over = upkeep.remove_idle(
                self.directory, upkeep.idle_seconds(max_age_days, max_bytes)
            )
        return Swept(swept.removed, swept.freed + left_over)

    def _sound_entry(self, sha256: str) -> Entry | None:
        """Return the entry of a file whose digest matches its name."""
        try:
            status = (self._blobs / sha256).stat()
        except OSError:
            return None
        entry = self._index.read("sha256", sha256)
        if entry and entry.is_of(status):
            return entry
        _, found = digest_file(self._blobs / sha256, ["sha256"])
        if found["sha256"] != sha256:
            with contextlib.suppress(OSError):
                self._set_aside(self._blobs / sha256)
            return None
        names = (entry.filename, entry.url, entry.known_as) if entry else ("", "", "")
        fresh = entry_of(status, {**(entry.digests if entry else {}), **found}, names)
        self._remember(fresh)
        return fresh

    def _has_all(self, entry: Entry, wanted: Mapping[str, str]) -> bool:
        """Return whether a valid file has all digests; unknown ones are computed and stored."""
        missing = set(wanted) - set(entry.digests)
        if missing:
            _, found = digest_file(self._blobs / entry.sha256, missing)
            entry = with_digests(entry, found)
            self._remember(entry)
        return all(entry.digests[name] == value for name, value in wanted.items())

    def _remember(self, entry: Entry) -> None:
        """Write an entry if the cache is writable; it only saves time."""
        with contextlib.suppress(OSError):
            self._index.directory.mkdir(exist_ok=True)
            self._index.write(entry)

    def _verified(self, entry: Entry) -> Verified:
        origin = entry.url or str(self._blobs / entry.sha256)
        return seal(self._blobs / entry.sha256, entry.sha256, entry.size, origin)

    def _set_aside(self, blob: Path) -> Path:
        """Move a damaged file aside and return its new path."""
        folder = self.directory / "damaged"
        folder.mkdir(exist_ok=True)
        return blob.replace(folder / f"{blob.name}.{time.time_ns()}")

    @contextmanager
    def _locked(self, key: str, waiting: Callable[[], object]) -> Iterator[Path]:
        """Hold the lock of ``key``."""
        with ExitStack() as stack:
            with host_errors(self.directory, hint=HINT):
                self._make_folders()
                stack.enter_context(hold(self.directory / "locks" / f"{key}.lock", waiting))
            yield self.directory / "partial" / key

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Yield a new file in ``partial/``, which is removed at the end if it still exists."""
        import tempfile

        with host_errors(self.directory, hint=HINT):
            self._make_folders()
            descriptor, name = tempfile.mkstemp(prefix="add-", dir=self.directory / "partial")
        os.close(descriptor)
        try:
            with hold(self.directory / "locks" / f"{Path(name).name}.lock", lambda: None):
                yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)
            (self.directory / "locks" / f"{Path(name).name}.lock").unlink(missing_ok=True)

    def _make_folders(self) -> None:
        """Create the directories of the cache, writable by the owner only."""
        check_owner(self.directory)
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        for folder in (".", "blobs", "blobs/sha256", "index", "partial", "locks"):
            (self.directory / folder).mkdir(mode=0o755, exist_ok=True)
