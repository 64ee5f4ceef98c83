"""A file that is read from an address once and kept nowhere; a broken transfer is continued.

Continued means: the server is asked for the rest, by Range and, where it gave a validator, If-Range
(RFC 9110, 13 and 14). Nothing is checked but the length: digests are for the caller.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

from builder.addresses import shown
from builder.errors import FetchError
from builder.fetch.replies import contradicts, open_reply
from builder.fetch.wire import MirrorError, PassingError, Patience, Retries
from builder.progress import Progress

_PATIENT = Patience()
_HINT = "check the address and the network"
_SMALL = 1 << 22


def read_size(url: str, *, patience: Patience = _PATIENT) -> int | None:
    """Return the length that a server tells of a file, ``None`` when it tells none.

    Raises:
        FetchError: the file is not to be had.
    """
    try:
        with open_reply(url, 0, "", patience) as reply:
            return reply.total
    except MirrorError as error:
        raise FetchError(f"{shown(url)}: {error}", hint=_HINT) from error


def read_small(url: str, *, patience: Patience = _PATIENT) -> bytes | None:
    """Return a file of at most 4 MiB, ``None`` when there is none at this address."""
    content = b""
    try:
        with open_reply(url, 0, "", patience) as reply:
            for piece in reply.pieces():
                content += piece
                if len(content) > _SMALL:
                    return None
    except MirrorError:
        return None
    return content


class _Reading:
    """How far a file has been read."""

    def __init__(self, url: str, offset: int, patience: Patience) -> None:
        self._url = url
        self._patience = patience
        self._validator = ""
        self._total: int | None = None
        self.offset = offset
        self.is_done = False

    def attempt(self) -> Iterator[bytes]:
        """Yield what comes in one answer."""
        with open_reply(self._url, self.offset, self._validator, self._patience) as reply:
            is_other = contradicts(self._validator, reply.validator)
            if is_other or reply.offset != self.offset or self._total not in {None, reply.total}:
                raise MirrorError("the file was replaced while it was read")
            self._validator, self._total = reply.validator, reply.total
            for piece in reply.pieces():
                self.offset += len(piece)
                yield piece
        if self._total is not None and self.offset < self._total:
            raise PassingError(f"it broke off after {self.offset} of {self._total} bytes")
        self.is_done = True


def iter_file(
    url: str, progress: Progress, *, start: int = 0, patience: Patience = _PATIENT
) -> Generator[bytes, None, None]:
    """Yield a file from ``start`` to its end.

    Raises:
        FetchError: it is not to be had, or breaks off for good, or was replaced meanwhile.
    """
    reading, retries = _Reading(url, start, patience), Retries(url, patience, progress)
    try:
        while not reading.is_done:
            before = reading.offset
            try:
                yield from reading.attempt()
            except PassingError as error:
                retries.wait(error, reading.offset - before)
    except MirrorError as error:
        raise FetchError(f"{shown(url)}: {error}", hint=_HINT) from error


def read_patiently(url: str, progress: Progress, *, patience: Patience = _PATIENT) -> bytes | None:
    """Return a file of at most 4 MiB, ``None`` when the server has none at this address.

    Unlike ``read_small`` it tries again, and tells a file that is not there from a server that
    does not work.

    Raises:
        FetchError: nobody knows whether there is one, or it is larger.
    """
    try:
        with closing(iter_file(url, progress, patience=patience)) as pieces:
            return b"".join(_few(pieces, url))
    except FetchError as error:
        why = error.__cause__
        if isinstance(why, MirrorError) and not isinstance(why, PassingError):
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
