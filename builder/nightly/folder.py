"""The directory of nightly builds: dated, immutable, with a link to the newest.

    20261123.0/     UTC date and a counter; complete before it has this name
    20261124.0/
    latest          symbolic link to a build; replaced by rename(2), after all else is there
    status.json     what the last run did, also when it published nothing

A build that is being made has a name with a dot in front. Whoever runs holds a lock on the
folder, flock(2): the system takes it back when the process ends, however it ends. Does not
know what is in a build.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from builder.errors import HostError
from builder.host import flush_to_disk, host_errors
from builder.structs import Struct

LATEST = "latest"
_BUILD = re.compile(r"(\d{8})\.(\d{1,9})")
_DRAFT, _PRUNED = ".making-", ".pruned-"
_READ_ONLY = 0o444


class Builds(Struct, frozen=True):
    """A folder of builds."""

    directory: Path

    def ids(self) -> list[str]:
        """Return the names of the builds, the oldest first."""
        names = [path.name for path in self.directory.iterdir() if _is_build(path)]
        return sorted(names, key=_order)

    def latest(self) -> str:
        """Return the build that the link names; empty when there is none.

        Raises:
            HostError: it is not a symbolic link.
        """
        pointer = self.directory / LATEST
        if pointer.exists() and not pointer.is_symlink():
            raise HostError(
                f"{pointer} is not a symbolic link; wanted a link to the newest build",
                hint="move it away, or choose another --output",
            )
        return pointer.resolve().name if pointer.is_symlink() and pointer.exists() else ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the directory if needed, and lock it exclusively.

        Raises:
            HostError: another run holds the lock, or the directory cannot be created.
        """
        hint = "free space or get permission there, or choose another --output"
        with host_errors(self.directory, hint=hint):
            self.directory.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.directory, os.O_RDONLY)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HostError(
                    f"{self.directory}: locked by another nightly run",
                    hint="wait for it to end, or choose another --output",
                ) from error
            self._remove_leftovers()
            yield
        finally:
            os.close(fd)

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Create an empty directory for the next build; it is removed unless it is published."""
        today = datetime.now(UTC).strftime("%Y%m%d")
        counters = [_order(name)[1] for name in self.ids() if name.startswith(today)]
        draft = self.directory / f"{_DRAFT}{today}.{max(counters, default=-1) + 1}"
        draft.mkdir()
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def publish(self, draft: Path) -> None:
        """Rename a finished draft to its final name, then move the link to it."""
        for path in sorted(draft.iterdir()):
            path.chmod(_READ_ONLY)
            flush_to_disk(path)
        flush_to_disk(draft)
        name = build_name(draft)
        draft.rename(self.directory / name)
        flush_to_disk(self.directory)
        pointer = self.directory / f"{_DRAFT}{LATEST}"
        pointer.symlink_to(name)
        pointer.replace(self.directory / LATEST)
        flush_to_disk(self.directory)

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest ``keep`` builds, and return the names of those that went.

        What a symbolic link in the folder points to stays, whatever its age.
        """
        links = [path for path in self.directory.iterdir() if path.is_symlink()]
        pointed = {Path(os.path.realpath(path)).name for path in links}
        gone = [name for name in self.ids()[:-keep] if name not in pointed]
        for name in gone:
            doomed = self.directory / f"{_PRUNED}{name}"
            (self.directory / name).rename(doomed)  # nobody sees half of a build
            shutil.rmtree(doomed)
        return gone

    def _remove_leftovers(self) -> None:
        """Remove what a run left that was killed."""
        for path in self.directory.iterdir():
            if path.is_symlink() and path.name.startswith((_DRAFT, _PRUNED)):
                path.unlink()
            elif path.is_dir() and path.name.startswith((_DRAFT, _PRUNED)):
                shutil.rmtree(path)


def build_name(draft: Path) -> str:
    """Return the name that a draft will have."""
    return draft.name.removeprefix(_DRAFT)


def _is_build(path: Path) -> bool:
    """Tell a build from what else may lie in the folder."""
    return bool(_BUILD.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()


def _order(name: str) -> tuple[str, int]:
    """Return what builds are sorted by."""
    date, _, counter = name.partition(".")
    return date, int(counter)
