"""Published digests, and files that are proved to have them.

Source: RFC 1321 (MD5) and FIPS 180-4 (SHA-1, SHA-256, SHA-512). Photon published the first two
until 4.0 and SHA-512 since; MD5 and SHA-1 detect damage, not an adversary who made the original.

Does not know where files come from, see ``builder.fetch`` and ``builder.cache``.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass
from pathlib import Path

from builder.errors import DigestMismatch, HostError, UsageError
from builder.host import host_errors

PIECE = 1 << 20
ALGORITHMS: Mapping[str, int] = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}
"""Algorithm to length in hex digits, strongest first."""

_QUEUED_PIECES = 4
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


class Tally:
    """Computes several digests of one stream, each in its own thread, while it passes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self.size = 0
        self._lanes = [_Lane(name) for name in sorted(set(algorithms))]

    def add(self, piece: bytes) -> None:
        """Count the next piece in; waits when the threads are more than a few pieces behind."""
        self.size += len(piece)
        for lane in self._lanes:
            lane.pieces.put(piece)

    def finish(self) -> dict[str, str]:
        """End the threads and return algorithm to hex digest; nothing can be added after."""
        for lane in self._lanes:
            lane.pieces.put(None)
        for lane in self._lanes:
            lane.thread.join()
        return {lane.name: lane.digest.hexdigest() for lane in self._lanes}


class _Lane:
    """One algorithm, its thread and the pieces it has not seen yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = hashlib.new(name, usedforsecurity=False)
        self.pieces: queue.Queue[bytes | None] = queue.Queue(_QUEUED_PIECES)
        self.thread = threading.Thread(target=self._run, name=f"digest-{name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        """Take pieces until the end mark."""
        while (piece := self.pieces.get()) is not None:
            self.digest.update(piece)


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


def digest_file(
    path: Path, algorithms: Iterable[str], advance: Callable[[int], object] = lambda _: None
) -> tuple[int, dict[str, str]]:
    """Read a file once and return its size and its digests.

    Raises:
        HostError: it cannot be read.
    """
    tally = Tally(algorithms)
    try:
        with host_errors(path, hint="check the path and its permissions"), path.open("rb") as file:
            while piece := file.read(PIECE):
                tally.add(piece)
                advance(len(piece))
    finally:
        found = tally.finish()
    return tally.size, found


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
