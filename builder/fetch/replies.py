"""One HTTP exchange: what is asked for, and what the answer means.

Source: RFC 9110, sections 10.2.3 (Retry-After), 13.1.5 (If-Range), 14 (range requests) and 15
(status codes); RFC 6750, section 3 (Bearer challenge, as container registries use it).
The only door to requests, which is imported late because that takes longer than most commands.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from builder import __version__
from builder.digests import PIECE

if TYPE_CHECKING:
    import requests

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_CHALLENGE = re.compile(r'(realm|service|scope)="([^"]*)"')
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS = {"User-Agent": f"photon-builder/{__version__}", "Accept-Encoding": "identity"}
_MAX_TOKEN = 1 << 16
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a slow or failing server is borne with; all but the first are in seconds.

    Attributes:
        attempts: Failures in a row, without a mebibyte gained, before a mirror is given up.
        connect: Until a connection stands.
        read: Between two parts of an answer.
        first_wait: Before the second attempt; doubled each time.
        longest_wait: Between two attempts, whatever the server asks for.
    """

    attempts: int = 5
    connect: float = 10
    read: float = 30
    first_wait: float = 0.5
    longest_wait: float = 60


class MirrorError(Exception):
    """A mirror does not have the file, or not for us; another may."""


class PassingError(MirrorError):
    """Something that may be over in a moment.

    Attributes:
        wait_seconds: How long the server asks to wait.
    """

    def __init__(self, reason: str, wait_seconds: float = 0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Reply:
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
        with _translated():
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

    headers = dict(_HEADERS)
    if offset:
        headers["Range"] = f"bytes={offset}-"
        headers |= {"If-Range": validator} if validator else {}
    with requests.Session() as session, _translated():
        response = _get(session, url, headers, patience)
        if token := _registry_token(session, response, patience):
            response.close()
            response = _get(session, url, headers | {"Authorization": f"Bearer {token}"}, patience)
        with response:
            yield _parse_reply(response, offset)


def _get(
    session: "requests.Session", url: str, headers: Mapping[str, str], patience: Patience
) -> "requests.Response":
    """Send one request; the body is not read yet."""
    timeout = (patience.connect, patience.read)
    return session.get(url, headers=headers, timeout=timeout, stream=True)


def _registry_token(
    session: "requests.Session", response: "requests.Response", patience: Patience
) -> str:
    """Return the token that a container registry gives to anybody who asks, if it wants one."""
    challenge = response.headers.get("WWW-Authenticate", "")
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if (
        response.status_code != HTTPStatus.UNAUTHORIZED
        or not challenge.lower().startswith("bearer ")
        or not realm
    ):
        return ""
    timeout = (patience.connect, patience.read)
    answer = session.get(realm, params=fields, timeout=timeout, headers=_HEADERS, stream=True)
    with answer:
        text = answer.raw.read(_MAX_TOKEN, decode_content=True).decode("utf-8", "replace")
    found = re.search(r'"(?:access_)?token"\s*:\s*"([\w.~+/=-]+)"', text)
    return found[1] if found else ""


def _parse_reply(response: "requests.Response", offset: int) -> Reply:
    """Return what the answer means."""
    match response.status_code:
        case 200:
            start, total = 0, _number(response.headers.get("Content-Length"))
        case 206:
            start, total = _parse_range(response, offset)
        case 416 if offset:
            raise RangeError(_parse_total(response))
        case status if status in _PASSING:
            raise PassingError(_status(response), _parse_wait(response))
        case _:
            raise MirrorError(_status(response))
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
        raise MirrorError("it answers with a web page instead of the file")
    return Reply(start, total, _validator(response), response)


def _parse_range(response: "requests.Response", offset: int) -> tuple[int, int | None]:
    """Return where a partial answer begins, and the length of the whole file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found or not found[1] or int(found[1]) != offset:
        raise RangeError(None)
    return offset, _number(found[3])


def _parse_total(response: "requests.Response") -> int | None:
    """Return the length that comes with 416."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return _number(found[3]) if found else None


def _validator(response: "requests.Response") -> str:
    """Return what If-Range may be given: a strong ETag, else the date."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _parse_wait(response: "requests.Response") -> float:
    """Return how many seconds the server asks to wait."""
    import time
    from email.utils import parsedate_to_datetime

    text = response.headers.get("Retry-After", "").strip()
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0


def _number(text: str | None) -> int | None:
    """Return a decimal number of sane length, ``None`` for anything else."""
    is_number = text is not None and text.isascii() and text.isdigit()
    return int(text) if text and is_number and len(text) <= _MAX_DIGITS else None


def _status(response: "requests.Response") -> str:
    """Return the status for people."""
    return f"it answers {response.status_code} {response.reason or ''}".rstrip()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what requests and urllib3 raise into reasons."""
    import requests
    import urllib3.exceptions as wire

    try:
        yield
    except (requests.ReadTimeout, wire.ReadTimeoutError) as error:
        raise PassingError("it stopped answering") from error
    except requests.ConnectTimeout as error:
        raise MirrorError("no connection in time") from error
    except requests.exceptions.SSLError as error:
        raise MirrorError(f"no secure connection ({_cause(error)})") from error
    except requests.exceptions.ProxyError as error:
        raise MirrorError(f"the proxy does not work ({_cause(error)})") from error
    except requests.ConnectionError as error:
        raise _broken_connection(error) from error
    except (requests.exceptions.ChunkedEncodingError, wire.HTTPError) as error:
        raise PassingError("the connection broke") from error
    except requests.RequestException as error:
        raise MirrorError(str(error)) from error


def _broken_connection(error: "requests.ConnectionError") -> MirrorError:
    """Return the reason for a connection that failed: refused for good, or broken meanwhile."""
    import urllib3.exceptions as wire

    reason = getattr(error.args[0], "reason", None) if error.args else None
    match reason:
        case wire.NameResolutionError():
            return MirrorError("its name is not known: is there a network?")
        case wire.NewConnectionError():
            return MirrorError(f"no connection ({_cause(error)})")
        case _:
            return PassingError("the connection broke")


def _cause(error: BaseException) -> str:
    """Return the innermost message of an error."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error)
