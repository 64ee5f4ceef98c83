"""HTTP basics of every request: retries, errors, small responses, tokens.

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


class RetryPolicy(Struct, frozen=True):
    """Retries and timeouts; all but the first are in seconds.

    Attributes:
        attempts: Consecutive failures, without 1 MiB received, before a mirror is abandoned.
        connect: Timeout of a connection attempt.
        read: Timeout between two parts of a response.
        first_wait: Delay before the second attempt; doubled each time.
        longest_wait: Longest delay, whatever Retry-After asks for.
        whole: Timeout of a complete small response: a header, a token.
        least: Lowest transfer rate in bytes per second, measured over ``whole``.
    """

    attempts: int = 5
    connect: float = 10
    read: float = 30
    first_wait: float = 0.5
    longest_wait: float = 60
    whole: float = 60
    least: int = 1024


class MirrorError(Exception):
    """A mirror does not serve the file; another may."""


class TransientError(MirrorError):
    """A transient error: worth retrying.

    Attributes:
        wait_seconds: Delay that the server asks for (Retry-After).
    """

    def __init__(self, reason: str, wait_seconds: float = 0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class Retries:
    """Counts attempts at one address, and waits between them."""

    def __init__(self, url: str, policy: RetryPolicy, progress: Progress) -> None:
        self._url = url
        self._policy = policy
        self._progress = progress
        self._failures = 0

    def wait(self, error: TransientError, gained: int = 0) -> None:
        """Wait as long as the server asks, else with exponential backoff and jitter.

        Args:
            error: The error of this attempt.
            gained: Bytes received in this attempt; 1 MiB resets the count.

        Raises:
            TransientError: too many attempts failed.
        """
        self._failures = 1 if gained >= PIECE else self._failures + 1
        if self._failures >= self._policy.attempts:
            raise TransientError(f"{error}, {self._failures} times") from error
        backoff = self._policy.first_wait * 2 ** (self._failures - 1)
        jittered = backoff * SystemRandom().uniform(0.5, 1)
        seconds = min(max(jittered, error.wait_seconds), self._policy.longest_wait)
        self._progress.phase(f"{shown(self._url)}: {error}; trying again in {seconds:.1f} s")
        time.sleep(seconds)


def refusal(response: "requests.Response", who: str = "it") -> MirrorError:
    """Return the error for a response without the requested content."""
    reason = f"{who} answers {response.status_code} {response.reason or ''}".rstrip()
    if response.status_code in _PASSING:
        return TransientError(reason, _parse_wait(response))
    return MirrorError(reason)


def check_no_page(response: "requests.Response", wanted: str) -> None:
    """Refuse the web page of a captive portal or an overloaded server."""
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
        raise MirrorError(f"it answers with a web page instead of {wanted}")


def read_small(response: "requests.Response", limit: int, policy: RetryPolicy) -> bytes:
    """Return the body of a small response.

    Raises:
        MirrorError: the body has more than ``limit`` bytes.
        TransientError: it is incomplete, or took too long.
    """
    length = number(response.headers.get("Content-Length"))
    if length is not None and length > limit:
        raise MirrorError(f"it offers {length} bytes; wanted at most {limit}")
    body, end = bytearray(), time.monotonic() + policy.whole
    while piece := response.raw.read1(PIECE, decode_content=False):
        body += piece
        if len(body) > limit:
            raise MirrorError(f"it sends more than {limit} bytes; wanted no more")
        if time.monotonic() > end:
            raise TransientError("it answers too slowly")
    return bytes(body)


def read_token(
    session: "requests.Session",
    response: "requests.Response",
    policy: RetryPolicy,
    *,
    realms: Mapping[str, str] | None = None,
    login: str = "",
) -> str:
    """Return the token that a container registry requires, empty when it requires none.

    A password of ``~/.netrc`` is never sent: it would become a token for another host.

    Args:
        session: Sends the request.
        response: The response that may ask for a token.
        policy: Timeouts.
        realms: Hosts whose tokens are at another host, when only these may be; ``None``: any may.
        login: ``user:password`` in Base64, for a registry that knows its users.

    Raises:
        MirrorError: the realm is not allowed, or refuses.
    """
    fields = _parse_challenge(response)
    realm = fields.pop("realm", "")
    if not realm:
        return ""
    _check_realm(response.url, realm, realms)
    with session.get(
        realm,
        params=fields,
        timeout=(policy.connect, policy.read),
        headers=HEADERS | ({"Authorization": f"Basic {login}"} if login else {}),
        stream=True,
        allow_redirects=False,
        auth=as_it_is,
    ) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise refusal(answer, f"{shown(realm)}, which has its tokens,")
        return _parse_token(read_small(answer, _MAX_TOKEN, policy))


def wants_login(response: "requests.Response") -> bool:
    """Return whether a response asks for Basic authentication."""
    return bool(_BASIC.match(response.headers.get("WWW-Authenticate", "")))


def _parse_challenge(response: "requests.Response") -> dict[str, str]:
    """Return the fields of a Bearer challenge; empty without one."""
    challenge = response.headers.get("WWW-Authenticate", "")
    is_one = response.status_code == HTTPStatus.UNAUTHORIZED
    return dict(_CHALLENGE.findall(challenge)) if is_one and _BEARER.match(challenge) else {}


def _check_realm(url: str, realm: str, realms: Mapping[str, str] | None) -> None:
    """Check the address of a token server.

    Raises:
        MirrorError: the address is not https, or not of the registry's host.
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
    """Return the token of a response; empty when it has no valid one."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    values = [told.get(key) for key in ("token", "access_token")] if isinstance(told, dict) else []
    fit = (value for value in values if isinstance(value, str) and _TOKEN.fullmatch(value))
    return next(fit, "")


def _parse_wait(response: "requests.Response") -> float:
    """Return the delay of Retry-After in seconds."""
    from email.utils import parsedate_to_datetime

    text = response.headers.get("Retry-After", "").strip()
    if (seconds := number(text)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0


def number(text: str | None) -> int | None:
    """Return a decimal number of at most 18 digits, else ``None``."""
    is_number = text is not None and text.isascii() and text.isdigit()
    return int(text) if text and is_number and len(text) <= _MAX_DIGITS else None
