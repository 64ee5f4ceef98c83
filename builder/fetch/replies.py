"""A file by HTTP, or the rest of it: what is asked for, and what the answer means.

Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builder.digests import PIECE
from builder.fetch.addresses import may_forward
from builder.fetch.following import Ways, follow, with_grant
from builder.fetch.reasons import translated
from builder.fetch.wire import (
    HEADERS,
    PassingError,
    Patience,
    check_no_page,
    number,
    read_token,
    refusal,
)
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

_REALMS = {
    "registry-1.docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
}
"""Registries whose tokens are at another host; any other gives its own."""
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Reply(Struct, frozen=True):
    """An answer that carries the file or its rest.

    Attributes:
        offset: Where in the file its first byte belongs.
        total: Length of the whole file, ``None`` when the server does not say.
        validator: Strong ETag or date, for If-Range; empty when there is none.
        response: To read from.
        patience: How slow it may be.
    """

    offset: int
    total: int | None
    validator: str
    response: "requests.Response"
    patience: Patience

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, undecoded.

        Raises:
            PassingError: it comes too slowly, or breaks off.
        """
        pace = _Pace(self.patience)
        with translated():
            while True:
                begun = time.monotonic()
                piece = self.response.raw.read1(PIECE, decode_content=False)
                pace.check(len(piece), time.monotonic() - begun)
                if not piece:
                    return
                yield piece


class _Pace:
    """How fast a body comes, over the seconds that were spent on waiting for it."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._size = 0
        self._seconds = 0.0

    def check(self, size: int, seconds: float) -> None:
        """Count what came.

        Raises:
            PassingError: it is too little for the time that it took.
        """
        self._size += size
        self._seconds += seconds
        if self._seconds >= self._patience.whole:
            if self._size < self._patience.least * self._seconds:
                raise PassingError(f"it sends less than {self._patience.least} bytes a second")
            self._size, self._seconds = 0, 0.0


class RangeError(PassingError):
    """The server cannot continue where we stopped.

    Attributes:
        total: Length of the whole file, when the server says it.
    """

    def __init__(self, total: int | None) -> None:
        super().__init__("it cannot continue the download")
        self.total = total


@contextmanager
def open_reply(url: str, offset: int, validator: str, patience: Patience) -> Iterator[Reply]:
    """Ask for a file from ``offset`` on and give the answer.

    Raises:
        MirrorError: the file is not to be had here.
        PassingError: it may be had later.
        RangeError: it may be had from its beginning.
    """
    from builder.fetch.session import open_session

    headers = dict(HEADERS)
    if offset:
        headers["Range"] = f"bytes={offset}-"
        headers |= {"If-Range": validator} if validator else {}
    with open_session(patience.whole) as session, translated():
        ways = Ways(session, patience, may_forward, logs_in=True)
        response = follow(ways, url, headers)
        if token := read_token(session, response, patience, realms=_REALMS):
            response.close()
            # Not from the start again: the token belongs to the host that asked for it.
            response = follow(ways, response.url, with_grant(headers, f"Bearer {token}"))
        with response:
            yield parse_reply(response, offset, patience)


def parse_reply(response: "requests.Response", offset: int, patience: Patience) -> Reply:
    """Return what the answer means."""
    match response.status_code:
        case 200:
            start, total = 0, number(response.headers.get("Content-Length"))
        case 206:
            start, total = _parse_range(response, offset)
        case 416 if offset:
            raise RangeError(_parse_total(response))
        case _:
            raise refusal(response)
    check_no_page(response, "the file")
    return Reply(start, total, _validator(response), response, patience)


def _parse_range(response: "requests.Response", offset: int) -> tuple[int, int | None]:
    """Return where a partial answer begins, and the length of the whole file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found or number(found[1]) != offset:
        raise RangeError(None)
    return offset, number(found[3])


def _parse_total(response: "requests.Response") -> int | None:
    """Return the length that comes with 416."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return number(found[3]) if found else None


def _validator(response: "requests.Response") -> str:
    """Return what If-Range may be given: a strong ETag, else the date."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def contradicts(asked: str, told: str) -> bool:
    """Tell whether a validator is of another version of the file than the one asked for."""
    is_of_a_kind = asked.startswith('"') == told.startswith('"')
    return bool(asked and told) and is_of_a_kind and asked != told
