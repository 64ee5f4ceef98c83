"""Requests and where they lead: to nobody whom the address before may not lead to.

A token and a password stay with the origin that they are for (RFC 9110, 15.4).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from builder import log
from builder.addresses import shown
from builder.fetch.addresses import is_same_origin
from builder.fetch.wire import MirrorError, Patience, as_it_is
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

    Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]

_MAX_REDIRECTS = 5


class Ways(Struct, frozen=True):
    """How requests are sent and followed.

    Attributes:
        session: Sends them.
        patience: How long is waited.
        may_lead: Says of two addresses whether the first may lead to the second.
        logs_in: Whether a password in the address, or of its host in ``~/.netrc``, is sent.
    """

    session: "requests.Session"
    patience: Patience
    may_lead: Callable[[str, str], bool]
    logs_in: bool = False


def follow(ways: Ways, url: str, headers: Mapping[str, str]) -> "requests.Response":
    """Send a request and follow where it leads; the body is not read yet.

    Raises:
        MirrorError: it leads to where it may not, or on and on.
    """
    if not _is_valid(url):
        raise MirrorError("it is not a valid address")
    logs_in = ways.logs_in and "Authorization" not in headers
    start, auth = url, _login(url) if logs_in else as_it_is
    for _ in range(_MAX_REDIRECTS + 1):
        response = _send(ways, url, headers, auth)
        log.debug("GET %s: %s", shown(url), response.status_code)
        target = ways.session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        url = _target(ways, url, target)
        if not is_same_origin(url, start):
            headers, auth = with_grant(headers, ""), as_it_is
    raise MirrorError(f"it redirects on and on, {_MAX_REDIRECTS} times; the last was {shown(url)}")


def with_grant(headers: Mapping[str, str], grant: str) -> dict[str, str]:
    """Return headers with ``Bearer TOKEN`` or ``Basic LOGIN``; with neither when it is empty."""
    plain = {name: value for name, value in headers.items() if name != "Authorization"}
    return plain | ({"Authorization": grant} if grant else {})


def _send(ways: Ways, url: str, headers: Mapping[str, str], auth: "Auth") -> "requests.Response":
    """Send one request."""
    timeout = (ways.patience.connect, ways.patience.read)
    return ways.session.get(
        url, headers=headers, timeout=timeout, stream=True, allow_redirects=False, auth=auth
    )


def _target(ways: Ways, url: str, location: str) -> str:
    """Return where an answer leads."""
    target = urljoin(url, location) if _is_valid(location) else ""
    if not _is_valid(target):
        raise MirrorError(f"it leads to {shown(location)}, which is not a valid address")
    if not ways.may_lead(url, target):
        wanted = "https address" if urlsplit(url).scheme == "https" else "http or https address"
        raise MirrorError(f"it leads to {shown(target)}; wanted an {wanted}")
    return target


def _login(url: str) -> "Auth":
    """Return what sends the password that an address has, or that ``~/.netrc`` has for its host."""
    from requests.auth import HTTPBasicAuth
    from requests.utils import get_auth_from_url, get_netrc_auth

    told = get_auth_from_url(url)
    found = told if any(told) else get_netrc_auth(url)
    return HTTPBasicAuth(*found) if found else as_it_is


def _is_valid(url: str) -> bool:
    """Tell what can be taken apart as an address."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return bool(url) and port != 0
