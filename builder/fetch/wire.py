"""HTTP as far as every exchange needs it: patience, requests, refusals, small answers, tokens.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 15 (status codes); RFC 6750, section 3 (Bearer
challenge), and the token specification of the distribution project. This package is the only
door to requests, which is imported late because that takes longer than most commands.
"""

import json
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from random import SystemRandom
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from builder import __version__
from builder.addresses import shown
from builder.digests import PIECE
from builder.fetch.addresses import may_lead
from builder.progress import Progress
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

HEADERS = {"User-Agent": f"photon-builder/{__version__}", "Accept-Encoding": "identity"}
_CHALLENGE = re.compile(r'(realm|service|scope)="([^"]*)"')
_BEARER = re.compile("(?i)bearer ")
_BASIC = re.compile("(?i)basic ")
_TOKEN = re.compile(r"[\w.~+/=-]+")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_TOKEN = 1 << 16
_MAX_DIGITS = 18


class Patience(Struct, frozen=True):
    """How long a slow or failing server is borne with; all but the first are in seconds.

    Attributes:
        attempts: Failures in a row, without a mebibyte gained, before a mirror is given up.
        connect: Until a connection stands.
        read: Between two parts of an answer.
        first_wait: Before the second attempt; doubled each time.
        longest_wait: Between two attempts, whatever the server asks for.
        whole: Until all of an answer is there that is small by its nature: its header, a token.
        least: Bytes a second that a file has to come with, measured over ``whole``.
    """

    attempts: int = 5
    connect: float = 10
    read: float = 30
    first_wait: float = 0.5
    longest_wait: float = 60
    whole: float = 60
    least: int = 1024


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


class Retries:
    """Attempts at one address: how often, and how long to wait between them."""

    def __init__(self, url: str, patience: Patience, progress: Progress) -> None:
        self._url = url
        self._patience = patience
        self._progress = progress
        self._failures = 0

    def wait(self, error: PassingError, gained: int = 0) -> None:
        """Wait as long as the server asks, else longer each time; never all clients at once.

        Args:
            error: What went wrong this time.
            gained: Bytes that came before; a mebibyte begins the count anew.

        Raises:
            PassingError: it went wrong too often.
        """
        self._failures = 1 if gained >= PIECE else self._failures + 1
        if self._failures >= self._patience.attempts:
            raise PassingError(f"{error}, {self._failures} times") from error
        backoff = self._patience.first_wait * 2 ** (self._failures - 1)
        jittered = backoff * SystemRandom().uniform(0.5, 1)
        seconds = min(max(jittered, error.wait_seconds), self._patience.longest_wait)
        self._progress.phase(f"{shown(self._url)}: {error}; trying again in {seconds:.1f} s")
        time.sleep(seconds)


def refusal(response: "requests.Response", who: str = "it") -> MirrorError:
    """Return what an answer means that carries nothing of what was asked for."""
    reason = f"{who} answers {response.status_code} {response.reason or ''}".rstrip()
    if response.status_code in _PASSING:
        return PassingError(reason, _parse_wait(response))
    return MirrorError(reason)


def check_no_page(response: "requests.Response", wanted: str) -> None:
    """Refuse the web page that a portal or a server at its wits' end sends instead."""
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
        raise MirrorError(f"it answers with a web page instead of {wanted}")


def read_small(response: "requests.Response", limit: int, patience: Patience) -> bytes:
    """Return a body that is small by its nature.

    Raises:
        MirrorError: it has more than ``limit`` bytes.
        PassingError: it does not come in time, or not whole.
    """
    length = number(response.headers.get("Content-Length"))
    if length is not None and length > limit:
        raise MirrorError(f"it offers {length} bytes; wanted at most {limit}")
    body, end = bytearray(), time.monotonic() + patience.whole
    while piece := response.raw.read1(PIECE, decode_content=False):
        body += piece
        if len(body) > limit:
            raise MirrorError(f"it sends more than {limit} bytes; wanted no more")
        if time.monotonic() > end:
            raise PassingError("it answers too slowly")
    return bytes(body)


def read_token(
    session: "requests.Session",
    response: "requests.Response",
    patience: Patience,
    *,
    realms: Mapping[str, str] | None = None,
    login: str = "",
) -> str:
    """Return the token that a container registry gives to whoever asks, if it wants one.

    A password of ``~/.netrc`` is never sent: it would become a token for another host.

    Args:
        session: Asks.
        response: What wants a token, or not.
        patience: How long is waited.
        realms: Hosts whose tokens are at another host, when only these may be; ``None``: any may.
        login: ``user:password`` in Base64, for a registry that knows its users.

    Raises:
        MirrorError: the realm must not be asked, or refuses.
    """
    fields = _parse_challenge(response)
    realm = fields.pop("realm", "")
    if not realm:
        return ""
    _check_realm(response.url, realm, realms)
    with session.get(
        realm,
        params=fields,
        timeout=(patience.connect, patience.read),
        headers=HEADERS | ({"Authorization": f"Basic {login}"} if login else {}),
        stream=True,
        allow_redirects=False,
        auth=as_it_is,
    ) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise refusal(answer, f"{shown(realm)}, which has its tokens,")
        return _parse_token(read_small(answer, _MAX_TOKEN, patience))


def wants_login(response: "requests.Response") -> bool:
    """Tell whether an answer asks for a user and a password, and not for a token."""
    return bool(_BASIC.match(response.headers.get("WWW-Authenticate", "")))


def _parse_challenge(response: "requests.Response") -> dict[str, str]:
    """Return the fields of a Bearer challenge, none when the answer holds none."""
    challenge = response.headers.get("WWW-Authenticate", "")
    is_one = response.status_code == HTTPStatus.UNAUTHORIZED
    return dict(_CHALLENGE.findall(challenge)) if is_one and _BEARER.match(challenge) else {}


def _check_realm(url: str, realm: str, realms: Mapping[str, str] | None) -> None:
    """Refuse to ask for a token where it must not be asked for.

    Raises:
        MirrorError: names the address.
    """
    if not may_lead(url, realm):
        raise MirrorError(f"it wants a token from {shown(realm)}; wanted an https address")
    here, there = (urlsplit(each).hostname or "" for each in (url, realm))
    if realms is not None and there not in {here, realms.get(here)}:
        raise MirrorError(f"it wants a token from {shown(realm)}; wanted one from its own host")


def as_it_is(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
    """Add nothing to a request: without this, requests would send a password from ~/.netrc."""
    return request


def _parse_token(body: bytes) -> str:
    """Return the token of an answer, an empty text when it has none that a header can hold."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    values = [told.get(key) for key in ("token", "access_token")] if isinstance(told, dict) else []
    fit = (value for value in values if isinstance(value, str) and _TOKEN.fullmatch(value))
    return next(fit, "")


def _parse_wait(response: "requests.Response") -> float:
    """Return how many seconds the server asks to wait."""
    from email.utils import parsedate_to_datetime

    text = response.headers.get("Retry-After", "").strip()
    if (seconds := number(text)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0


def number(text: str | None) -> int | None:
    """Return a decimal number of sane length, ``None`` for anything else."""
    is_number = text is not None and text.isascii() and text.isdigit()
    return int(text) if text and is_number and len(text) <= _MAX_DIGITS else None
