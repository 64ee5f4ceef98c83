"""Requests that follow allowed redirects only.

A token and a password stay with the origin that they are for (RFC 9110, 15.4).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from builder import log
from builder.addresses import shown
from builder.fetch.addresses import is_same_origin
from builder.fetch.wire import MirrorError, RetryPolicy, as_it_is
from builder.structs import Struct

if TYPE_CHECKING:
    import requests

    Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]

_MAX_REDIRECTS = 5


class RequestOptions(Struct, frozen=True):
    """Options of requests and redirects.

    Attributes:
        session: Sends them.
        policy: Timeouts.
        may_lead: Returns whether an address may redirect to another.
        logs_in: Send a password of the address, or of ``~/.netrc``.
    """

    session: "requests.Session"
    policy: RetryPolicy
    may_lead: Callable[[str, str], bool]
    logs_in: bool = False


def follow(options: RequestOptions, url: str, headers: Mapping[str, str]) -> "requests.Response":
    """Send a request and follow redirects; the body is not read yet.

    Raises:
        MirrorError: a redirect is not allowed, or there are too many.
    """
    if not _is_valid(url):
        raise MirrorError("it is not a valid address")
    logs_in = options.logs_in and "Authorization" not in headers
    start, auth = url, _login(url) if logs_in else as_it_is
    for _ in range(_MAX_REDIRECTS + 1):
        response = _send(options, url, headers, auth)
        log.debug("GET %s: %s", shown(url), response.status_code)
        target = options.session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        url = _target(options, url, target)
        if not is_same_origin(url, start):
            headers, auth = with_grant(headers, ""), as_it_is
    raise MirrorError(f"too many redirects ({_MAX_REDIRECTS}); the last was to {shown(url)}")


def with_grant(headers: Mapping[str, str], grant: str) -> dict[str, str]:
    """Return headers with ``Bearer TOKEN`` or ``Basic LOGIN``; with neither when it is empty."""
    plain = {name: value for name, value in headers.items() if name != "Authorization"}
    return plain | ({"Authorization": grant} if grant else {})


def _send(
    options: RequestOptions, url: str, headers: Mapping[str, str], auth: "Auth"
) -> "requests.Response":
    timeout = (options.policy.connect, options.policy.read)
    return options.session.get(
        url, headers=headers, timeout=timeout, stream=True, allow_redirects=False, auth=auth
    )


def _target(options: RequestOptions, url: str, location: str) -> str:
    """Return the target of a redirect."""
    target = urljoin(url, location) if _is_valid(location) else ""
    if not _is_valid(target):
        raise MirrorError(f"it redirects to {shown(location)}, which is not a valid address")
    if not options.may_lead(url, target):
        wanted = "https address" if urlsplit(url).scheme == "https" else "http or https address"
        raise MirrorError(f"it redirects to {shown(target)}; wanted an {wanted}")
    return target


def _login(url: str) -> "Auth":
    """Return the credentials of an address, or of its host in ``~/.netrc``."""
    from requests.auth import HTTPBasicAuth
    from requests.utils import get_auth_from_url, get_netrc_auth

    told = get_auth_from_url(url)
    found = told if any(told) else get_netrc_auth(url)
    return HTTPBasicAuth(*found) if found else as_it_is


def _is_valid(url: str) -> bool:
    """Return whether a text can be parsed as an address."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return bool(url) and port != 0
