"""HTTP as far as every exchange needs it: patience, requests, refusals, small answers, tokens.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 15 (status codes); RFC 6750, section 3 (Bearer
challenge), and the token specification of the distribution project. With ``replies`` the only
door to requests, which is imported late because that takes longer than most commands.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from random import SystemRandom
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from builder import __version__
from builder.digests import PIECE
from builder.fetch.addresses import shown
from builder.progress import Progress
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

HEADERS = {"User-Agent": f"photon-builder/{__version__}", "Accept-Encoding": "identity"}
_CHALLENGE = re.compile(r'(realm|service|scope)="([^"]*)"')
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
        whole: Until all of an answer is there that is small by its nature.
    """

    attempts: int = 5
    connect: float = 10
    read: float = 30
    first_wait: float = 0.5
    longest_wait: float = 60
    whole: float = 60


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


def send(
    session: "requests.Session",
    url: str,
    headers: Mapping[str, str],
    patience: Patience,
    *,
    redirects: bool = True,
) -> "requests.Response":
    """Send one request; the body is not read yet.

    Raises:
        MirrorError: it leads to what is no address at all.
    """
    import requests

    timeout = (patience.connect, patience.read)
    try:
        return session.get(
            url, headers=headers, timeout=timeout, stream=True, allow_redirects=redirects
        )
    except requests.RequestException:
        raise
    except ValueError as error:
        raise MirrorError(f"it leads to what is no address ({error})") from error


def pause(
    url: str, error: PassingError, failures: int, patience: Patience, progress: Progress
) -> None:
    """Wait as long as the server asks, else longer each time; never all clients at once."""
    backoff = patience.first_wait * 2 ** (failures - 1)
    jittered = backoff * SystemRandom().uniform(0.5, 1)
    seconds = min(max(jittered, error.wait_seconds), patience.longest_wait)
    progress.phase(f"{shown(url)}: {error}; trying again in {seconds:.1f} s")
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


def may_lead(start: str, target: str) -> bool:
    """Say whether an address may send us to another: by TLS, or from loopback to loopback."""
    try:
        here, there = urlsplit(start), urlsplit(target)
    except ValueError:
        return False
    if there.scheme == "https":
        return bool(there.hostname)
    return there.scheme == "http" and all(
        is_loopback(parts.hostname or "") for parts in (here, there)
    )


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, without asking anybody."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(
    session: "requests.Session", response: "requests.Response", patience: Patience
) -> str:
    """Return the token that a container registry gives to anybody who asks, if it wants one.

    Raises:
        MirrorError: the realm must not be asked, or refuses.
    """
    challenge = response.headers.get("WWW-Authenticate", "")
    fields = dict(_CHALLENGE.findall(challenge))
    realm = fields.pop("realm", "")
    if (
        response.status_code != HTTPStatus.UNAUTHORIZED
        or not challenge.lower().startswith("bearer ")
        or not realm
    ):
        return ""
    if not may_lead(response.url, realm):
        raise MirrorError(f"it wants a token from {shown(realm)}; wanted an https address")
    timeout = (patience.connect, patience.read)
    with session.get(
        realm, params=fields, timeout=timeout, headers=HEADERS, stream=True, allow_redirects=False
    ) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise refusal(answer, f"{shown(realm)}, which has its tokens,")
        return _parse_token(read_small(answer, _MAX_TOKEN, patience))


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


@contextmanager
def translated() -> Iterator[None]:
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
