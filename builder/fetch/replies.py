"""HTTP requests for a file or the rest of it, and their responses.

Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builder.digests import PIECE
from builder.fetch.addresses import may_forward
from builder.fetch.following import RequestOptions, follow, with_grant
from builder.fetch.reasons import translated
from builder.fetch.wire import (
    HEADERS,
    RetryPolicy,
    TransientError,
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
    """A response with the file or the rest of it.

    Attributes:
        offset: Offset of its first byte in the file.
        total: Length of the whole file; ``None`` when the server does not state it.
        validator: Strong ETag or date, for If-Range; empty when there is none.
        response: The response.
        policy: Timeouts and lowest transfer rate.
    """

    offset: int
    total: int | None
    validator: str
    response: "requests.Response"
    policy: RetryPolicy

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, undecoded.

        Raises:
            TransientError: the transfer is too slow, or breaks off.
        """
        pace = _Pace(self.policy)
        with translated():
            while True:
                begun = time.monotonic()
                piece = self.response.raw.read1(PIECE, decode_content=False)
                pace.check(len(piece), time.monotonic() - begun)
                if not piece:
                    return
                yield piece


class _Pace:
    """Transfer rate of a body, over the time spent waiting for it."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._size = 0
        self._seconds = 0.0

    def check(self, size: int, seconds: float) -> None:
        """Count received bytes.

        Raises:
            TransientError: the transfer rate is below the limit.
        """
        self._size += size
        self._seconds += seconds
        if self._seconds >= self._policy.whole:
            if self._size < self._policy.least * self._seconds:
                raise TransientError(f"it sends less than {self._policy.least} bytes a second")
            self._size, self._seconds = 0, 0.0


class RangeError(TransientError):
    """The server cannot resume at the requested offset.

    Attributes:
        total: Length of the whole file, when the server states it.
    """

    def __init__(self, total: int | None) -> None:
        super().__init__("it cannot continue the download")
        self.total = total


@contextmanager
def open_reply(url: str, offset: int, validator: str, policy: RetryPolicy) -> Iterator[Reply]:
    """Request a file from ``offset`` on and yield the response.

    Raises:
        MirrorError: the server does not serve the file.
        TransientError: a retry may succeed.
        RangeError: only the whole file can be requested.
    """
    from builder.fetch.session import open_session

    headers = dict(HEADERS)
    if offset:
        headers["Range"] = f"bytes={offset}-"
        headers |= {"If-Range": validator} if validator else {}
    with open_session(policy.whole) as session, translated():
        options = RequestOptions(session, policy, may_forward, logs_in=True)
        response = follow(options, url, headers)
        if token := read_token(session, response, policy, realms=_REALMS):
            response.close()
            # Not from the start again: the token belongs to the host that asked for it.
            response = follow(options, response.url, with_grant(headers, f"Bearer {token}"))
        with response:
            yield parse_reply(response, offset, policy)


def parse_reply(response: "requests.Response", offset: int, policy: RetryPolicy) -> Reply:
    """Return the response as a ``Reply``."""
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
    return Reply(start, total, _validator(response), response, policy)


def _parse_range(response: "requests.Response", offset: int) -> tuple[int, int | None]:
    """Return the offset of a partial response, and the length of the whole file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found or number(found[1]) != offset:
        raise RangeError(None)
    return offset, number(found[3])


def _parse_total(response: "requests.Response") -> int | None:
    """Return the length in a response 416."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return number(found[3]) if found else None


def _validator(response: "requests.Response") -> str:
    """Return the validator for If-Range: a strong ETag, else the date."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def contradicts(asked: str, told: str) -> bool:
    """Return whether a validator belongs to another version of the file than requested."""
    is_of_a_kind = asked.startswith('"') == told.startswith('"')
    return bool(asked and told) and is_of_a_kind and asked != told
