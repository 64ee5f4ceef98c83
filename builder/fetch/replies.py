"""A file by HTTP, or the rest of it: what is asked for, and what the answer means.

Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builder.digests import PIECE
from builder.fetch.wire import (
    HEADERS,
    PassingError,
    Patience,
    check_no_page,
    number,
    read_token,
    refusal,
    send,
    translated,
)
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Reply(Struct, frozen=True):
    """An answer that carries the file or its rest.

    Attributes:
        offset: Where in the file its first byte belongs.
        total: Length of the whole file, ``None`` when the server does not say.
        validator: Strong ETag or date, for If-Range; empty when there is none.
        response: To read from.
    """

    offset: int
    total: int | None
    validator: str
    response: "requests.Response"

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, undecoded."""
        with translated():
            while piece := self.response.raw.read(PIECE, decode_content=False):
                yield piece


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
    import requests

    headers = dict(HEADERS)
    if offset:
        headers["Range"] = f"bytes={offset}-"
        headers |= {"If-Range": validator} if validator else {}
    with requests.Session() as session, translated():
        response = send(session, url, headers, patience)
        if token := read_token(session, response, patience):
            response.close()
            response = send(session, url, headers | {"Authorization": f"Bearer {token}"}, patience)
        with response:
            yield _parse_reply(response, offset)


def _parse_reply(response: "requests.Response", offset: int) -> Reply:
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
    return Reply(start, total, _validator(response), response)


def _parse_range(response: "requests.Response", offset: int) -> tuple[int, int | None]:
    """Return where a partial answer begins, and the length of the whole file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found or not found[1] or int(found[1]) != offset:
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
