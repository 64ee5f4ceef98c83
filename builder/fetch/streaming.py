"""Streams a file from an address without storing it; broken transfers are resumed.

The rest is requested by Range and, with a validator, If-Range
(RFC 9110, 13 and 14). Nothing is checked but the length: digests are for the caller.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

from builder.addresses import shown
from builder.errors import FetchError
from builder.fetch.replies import contradicts, open_reply
from builder.fetch.wire import MirrorError, Retries, RetryPolicy, TransientError
from builder.progress import Progress

_PATIENT = RetryPolicy()
_HINT = "check the address and the network"
_SMALL = 1 << 22


def read_size(url: str, *, policy: RetryPolicy = _PATIENT) -> int | None:
    """Return the length of a file that a server states; ``None`` without one.

    Raises:
        FetchError: the file is unavailable.
    """
    try:
        with open_reply(url, 0, "", policy) as reply:
            return reply.total
    except MirrorError as error:
        raise FetchError(f"{shown(url)}: {error}", hint=_HINT) from error


def read_small(url: str, *, policy: RetryPolicy = _PATIENT) -> bytes | None:
    """Return a file of at most 4 MiB; ``None`` when the address has none."""
    content = b""
    try:
        with open_reply(url, 0, "", policy) as reply:
            for piece in reply.pieces():
                content += piece
                if len(content) > _SMALL:
                    return None
    except MirrorError:
        return None
    return content


class _Reading:
    """State of a file that is being read."""

    def __init__(self, url: str, offset: int, policy: RetryPolicy) -> None:
        self._url = url
        self._policy = policy
        self._validator = ""
        self._total: int | None = None
        self.offset = offset
        self.is_done = False

    def attempt(self) -> Iterator[bytes]:
        """Yield the body of one response."""
        with open_reply(self._url, self.offset, self._validator, self._policy) as reply:
            is_other = contradicts(self._validator, reply.validator)
            if is_other or reply.offset != self.offset or self._total not in {None, reply.total}:
                raise MirrorError("the file was replaced while it was read")
            self._validator, self._total = reply.validator, reply.total
            for piece in reply.pieces():
                self.offset += len(piece)
                yield piece
        if self._total is not None and self.offset < self._total:
            raise TransientError(f"it broke off after {self.offset} of {self._total} bytes")
        self.is_done = True


def iter_file(
    url: str, progress: Progress, *, start: int = 0, policy: RetryPolicy = _PATIENT
) -> Generator[bytes, None, None]:
    """Yield a file from ``start`` to its end.

    Raises:
        FetchError: the file is unavailable, was replaced, or the transfer fails.
    """
    reading, retries = _Reading(url, start, policy), Retries(url, policy, progress)
    try:
        while not reading.is_done:
            before = reading.offset
            try:
                yield from reading.attempt()
            except TransientError as error:
                retries.wait(error, reading.offset - before)
    except MirrorError as error:
        raise FetchError(f"{shown(url)}: {error}", hint=_HINT) from error


def read_with_retries(
    url: str, progress: Progress, *, policy: RetryPolicy = _PATIENT
) -> bytes | None:
    """Return a file of at most 4 MiB; ``None`` when the server has none at this address.

    Unlike ``read_small`` it retries, and distinguishes a missing file from a server that
    does not work.

    Raises:
        FetchError: the server fails, or the file is larger.
    """
    try:
        with closing(iter_file(url, progress, policy=policy)) as pieces:
            return b"".join(_few(pieces, url))
    except FetchError as error:
        why = error.__cause__
        if isinstance(why, MirrorError) and not isinstance(why, TransientError):
            return None
        raise


def _few(pieces: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Yield what is not to be more than 4 MiB."""
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > _SMALL:
            raise FetchError(f"{shown(url)}: has more than {_SMALL} bytes; wanted a short text")
        yield piece
