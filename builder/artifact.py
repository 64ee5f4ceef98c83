"""A finished file and how it is published: nothing appears under its name before it is whole.

On Linux the file has no name at all while it is made (``O_TMPFILE``, open(2)), so nothing is
left behind when the process is killed. A temporary one, which the next build removes, it has there
between two system calls, because linkat(2) replaces nothing, and elsewhere all the time.
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from builder.errors import HostError
from builder.host import host_errors, refusal
from builder.structs import Struct
from builder.sums import SUMS, merge_sums, parse_sums

_PART = ".photon-builder-"
_MODE = 0o666
"""Of a new file; the umask takes from it what others may not do."""
_TRIES = 100
PROVENANCE = ".provenance.json"


class Staging(Struct, frozen=True):
    """A file that is being made, on the same filesystem as its final place.

    Attributes:
        fd: Open for reading and writing.
        path: A path on this machine that opens the same bytes again.
        directory: Where it will be published.
        named: Its temporary name, ``None`` while it has none.
    """

    fd: int
    path: Path
    directory: Path
    named: Path | None

    def publish(self, final: Path, *, mtime: int | None = None) -> None:
        """Give the file its name, in one step, replacing what was there.

        Who may read it is as the umask says.

        Args:
            final: In ``directory``.
            mtime: Seconds since the epoch; ``None`` leaves the time as it is.

        Raises:
            HostError: there is no room, or the folder cannot be written.
        """
        named = self.named or self.directory / f"{_PART}{os.getpid()}-{self.fd}"
        try:
            if mtime is not None:
                os.utime(self.fd, (mtime, mtime))
            if self.named is None:
                self._link(named.name)
            named.replace(final)
        except OSError as error:
            raise refusal(OSError(error.errno, error.strerror), final) from error
        finally:
            named.unlink(missing_ok=True)  # an interrupt came between the two

    def _link(self, name: str) -> None:
        """Give a nameless file a temporary name beside its final place."""
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            # Passing directories makes CPython call linkat(AT_SYMLINK_FOLLOW), see open(2).
            os.link(self.path, name, src_dir_fd=directory, dst_dir_fd=directory)
        finally:
            os.close(directory)


@contextmanager
def stage(directory: Path) -> Iterator[Staging]:
    """Make a file in ``directory`` that disappears unless it is published.

    Raises:
        HostError: the directory cannot be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_stale(directory)
        staging = _nameless(directory) or _named(directory)
    except OSError as error:
        hint = "make room or get permission there, or choose another --output (make OUTPUT=DIR)"
        raise refusal(error, directory, hint=hint) from error
    try:
        yield staging
    finally:
        os.close(staging.fd)
        if staging.named is not None:
            staging.named.unlink(missing_ok=True)


class Publication(Struct, frozen=True):
    """What appears at once in an output folder.

    Attributes:
        artifact: Its name.
        mtime: Its time, seconds since the epoch.
        sums: File name to SHA-256, for ``SHA256SUMS``; without a digest the line goes.
        texts: Other files of the folder; the last one appears last.
    """

    artifact: Path
    mtime: int
    sums: Mapping[str, str]
    texts: Mapping[Path, str]


def publish(
    staging: Staging, what: Publication, waiting: Callable[[], object] = lambda: None
) -> None:
    """Give a finished artifact its name, and what belongs to it theirs.

    All of it is written before the first name is given, while no other process is at that.

    Args:
        staging: The artifact.
        what: Names, and the other files.
        waiting: Called once when another process publishes there, or holds the folder.

    Raises:
        HostError: something lies in the way.
        OSError: there is no room.
    """
    folder = what.artifact.parent
    with locked(folder, waiting), ExitStack() as stack:
        texts = {folder / SUMS: merge_sums(_read_text(folder), what.sums), **what.texts}
        for path in (what.artifact, *texts):
            if path.is_dir():
                raise HostError(f"{path}: is a folder; wanted to write a file there",
                                hint="move it away, or choose another --output")  # fmt: skip
        staged = [(path, stack.enter_context(_staged(path, text))) for path, text in texts.items()]
        staging.publish(what.artifact, mtime=what.mtime)
        for path, each in staged:
            each.publish(path)


def write_beside(path: Path, text: str) -> None:
    """Write a small text file so that it is there as a whole or not at all."""
    with _staged(path, text) as staging:
        staging.publish(path)


@contextmanager
def _staged(path: Path, text: str) -> Iterator[Staging]:
    """Write a small text file that has no name yet."""
    with stage(path.parent) as staging:
        with (
            host_errors(path),
            open(staging.fd, "w", encoding="utf-8", errors="surrogateescape", newline="",
                 closefd=False) as out,
        ):  # fmt: skip
            out.write(text)
        yield staging


def provenance_path(artifact: Path) -> Path:
    """Return where the provenance of ``artifact`` lies."""
    return artifact.with_name(f"{artifact.name}{PROVENANCE}")


def read_provenance(artifact: Path) -> dict[str, Any]:
    """Return the provenance of ``artifact``; empty when there is none that can be read."""
    try:
        found = json.loads(provenance_path(artifact).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def format_provenance(record: Mapping[str, Any]) -> str:
    """Return the provenance of an artifact as it is written beside it."""
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def files_of(artifact: Path) -> list[Path]:
    """Return an artifact and what belongs to it, as far as it is there."""
    told = read_provenance(artifact).get("artifact")
    beside = told.get("beside") if isinstance(told, dict) else None
    names = [artifact.name, *(beside if isinstance(beside, list) else ())]
    names = [*(name for name in names if isinstance(name, str)), provenance_path(artifact).name]
    paths = [artifact.with_name(Path(name).name) for name in names]
    return [path for path in paths if path.is_file()]


def read_sums(directory: Path) -> dict[str, str]:
    """Return file name to SHA-256, as ``SHA256SUMS`` of a folder has them."""
    return parse_sums(_read_text(directory))


def write_sums(artifact: Path, sha256: str) -> None:
    """Put the artifact's line into ``SHA256SUMS`` beside it, as sha256sum(1) reads it.

    Without a digest there is no line, and what another build wrote goes.
    """
    with locked(artifact.parent, lambda: None):
        text = merge_sums(_read_text(artifact.parent), {artifact.name: sha256})
        write_beside(artifact.with_name(SUMS), text)


def _read_text(directory: Path) -> str:
    """Return what ``SHA256SUMS`` of a folder holds, whatever it is; empty when it is absent."""
    try:
        content = (directory / SUMS).read_bytes()
    except FileNotFoundError:
        return ""
    return content.decode("utf-8", "surrogateescape")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _nameless(directory: Path) -> Staging | None:
    """Open a file without a name, ``None`` where the system or the filesystem cannot."""
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not Path("/proc/self/fd").is_dir():
        return None
    try:
        fd = os.open(directory, flag | os.O_RDWR, _MODE)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}:
            return None
        raise
    fcntl.flock(fd, fcntl.LOCK_EX)  # while it has a temporary name, it is not a stale one
    return Staging(fd, Path(f"/proc/self/fd/{fd}"), directory, None)


def _named(directory: Path) -> Staging:
    """Open a file with a temporary name, locked as long as this process lives."""
    for _ in range(_TRIES):
        path = directory / f"{_PART}{os.urandom(8).hex()}"
        with suppress(FileExistsError):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
            fcntl.flock(fd, fcntl.LOCK_EX)
            return Staging(fd, path, directory, path)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(directory))


def _remove_stale(directory: Path) -> None:
    """Remove temporary files whose process is gone."""
    for path in directory.glob(f"{_PART}*"):
        try:
            fd = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except OSError:
            continue
        finally:
            os.close(fd)


@contextmanager
def locked(directory: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold a lock on a directory: two builds may finish at once."""
    with host_errors(directory):
        fd = os.open(directory, os.O_RDONLY)
    try:
        with host_errors(directory):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
