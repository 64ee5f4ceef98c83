"""Published digests, and files that are proved to have them.

Source: RFC 1321 (MD5) and FIPS 180-4 (SHA-1, SHA-256, SHA-512). Photon published the first two
until 4.0 and SHA-512 since; MD5 and SHA-1 detect damage, not an adversary who made the original.

Does not know where files come from, see ``builder.fetch`` and ``builder.cache``.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass
from io import FileIO
from pathlib import Path

from builder.errors import DigestMismatch, HostError, UsageError
from builder.host import host_errors

PIECE = 1 << 20
ALGORITHMS: Mapping[str, int] = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}
"""Algorithm to length in hex digits, strongest first."""

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_SEAL = object()


@dataclass(frozen=True, slots=True)
class Verified:
    """A file on this machine whose digests have been checked; only this package can make one.

    Attributes:
        path: The file.
        sha256: Its digest.
        size: Its length.
        origin: Where it came from: an address or a path.
    """

    path: Path
    sha256: str
    size: int
    origin: str
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("a Verified comes from verify_file, the cache or fetch, after a check")


class FollowingDigests:
    """Computes digests of a file that grows, each in a thread that reads behind whoever writes.

    Nothing is kept for a thread that falls behind: it reads the file, which is in memory still.
    Made for the thread that writes.

    Args:
        path: The file, which is there already.
        algorithms: As :data:`ALGORITHMS` names them.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, algorithms: Iterable[str]) -> None:
        self.size = 0
        self._has_ended = False
        self._is_dropped = False
        self._changed = threading.Condition()
        self._lanes = [
            _DigestThread(name, path.open("rb", buffering=0)) for name in sorted({*algorithms})
        ]
        for lane in self._lanes:
            lane.start(self._wait_beyond)

    def reach(self, size: int) -> None:
        """Say how many bytes are there."""
        with self._changed:
            self.size = size
            self._changed.notify_all()

    def finish(self) -> dict[str, str]:
        """Return algorithm to hex digest of all that is there; nothing can be added after.

        Raises:
            OSError: it cannot be read.
        """
        self._end(is_dropped=False)
        for error in (lane.error for lane in self._lanes if lane.error is not None):
            raise error
        return {lane.name: lane.digest.hexdigest() for lane in self._lanes}

    def drop(self) -> None:
        """End the threads where they are."""
        self._end(is_dropped=True)

    def _end(self, *, is_dropped: bool) -> None:
        with self._changed:
            self._has_ended = True
            self._is_dropped |= is_dropped
            self._changed.notify_all()
        for lane in self._lanes:
            lane.thread.join()

    def _wait_beyond(self, position: int) -> int:
        """Wait until there is more than ``position`` bytes; no more than that is the end."""
        with self._changed:
            while self.size <= position and not self._has_ended:
                self._changed.wait()
            return position if self._is_dropped else self.size


class _DigestThread:
    """One algorithm and its thread."""

    def __init__(self, name: str, file: FileIO) -> None:
        self.name = name
        self.digest = hashlib.new(name, usedforsecurity=False)
        self.error: OSError | None = None
        self._file = file

    def start(self, wait_beyond: Callable[[int], int]) -> None:
        """Start the thread."""
        self.thread = threading.Thread(
            target=self._run, args=(wait_beyond,), name=f"digest-{self.name}", daemon=True
        )
        self.thread.start()

    def _run(self, wait_beyond: Callable[[int], int]) -> None:
        """Read and digest to the end."""
        try:
            with self._file:
                self._follow(wait_beyond)
        except OSError as error:
            self.error = error

    def _follow(self, wait_beyond: Callable[[int], int]) -> None:
        """Read and digest what is there, and what comes."""
        view, done = memoryview(bytearray(PIECE)), 0
        while (reached := wait_beyond(done)) > done:
            count = self._file.readinto(view[: reached - done])
            if not count:
                raise OSError(f"it ends at byte {done} of {reached} while it is read")
            self.digest.update(view[:count])
            done += count


def check_digests(digests: Mapping[str, str]) -> dict[str, str]:
    """Return ``digests`` in lower case, strongest first.

    Raises:
        UsageError: an algorithm is unknown, or a digest has not its length in hex digits.
    """
    for name, value in digests.items():
        if name not in ALGORITHMS:
            raise UsageError(f"digest {name}: wanted one of {', '.join(ALGORITHMS)}")
        if len(value) != ALGORITHMS[name] or not set(value) <= _HEX_DIGITS:
            raise UsageError(
                f"{name} {value!r}: {len(value)} characters, wanted {ALGORITHMS[name]} hex digits"
            )
    return {name: digests[name].lower() for name in ALGORITHMS if name in digests}


def check_found(
    subject: str, wanted: Mapping[str, str], found: Mapping[str, str], origin: str
) -> None:
    """Compare every wanted digest with the one that was found.

    Raises:
        DigestMismatch: one differs; the message names the file and where it came from.
    """
    for name, value in wanted.items():
        if found[name] != value:
            raise DigestMismatch(
                f"{subject}: its {name} is {found[name]}, wanted {value}; it came from {origin}",
                hint="this is not the published file: do not use it, and compare the digest "
                "with the one the vendor publishes",
            )


def digest_file(path: Path, algorithms: Iterable[str]) -> tuple[int, dict[str, str]]:
    """Return the size of a file and its digests.

    Raises:
        HostError: it cannot be read.
    """
    with host_errors(path, hint="check the path and its permissions"):
        trail = FollowingDigests(path, algorithms)
        try:
            trail.reach(path.stat().st_size)
            return trail.size, trail.finish()
        finally:
            trail.drop()


def verify_file(path: Path, digests: Mapping[str, str]) -> Verified:
    """Return ``path`` as verified; without digests only its own SHA-256 is computed.

    Raises:
        DigestMismatch: a digest differs.
        HostError: the file cannot be read.
    """
    wanted = check_digests(digests)
    if path.exists() and not path.is_file():
        raise HostError(f"{path} is a folder or a device; wanted a file")
    size, found = digest_file(path, {"sha256", *wanted})
    check_found(path.name, wanted, found, str(path))
    return seal(path, found["sha256"], size, str(path))


def seal(path: Path, sha256: str, size: int, origin: str) -> Verified:
    """Make a ``Verified``; for the cache, right after a check."""
    return Verified(path, sha256, size, origin, _SEAL)
