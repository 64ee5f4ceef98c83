"""Addresses: allowed redirects, local files and local hosts (RFC 3986, RFC 8089)."""

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit


def local_path(url: str) -> Path | None:
    """Return the file that a ``file:`` address names, ``None`` for other addresses."""
    if not url.startswith("file:"):
        return None
    return Path(unquote(urlsplit(url).path))


def may_lead(start: str, target: str) -> bool:
    """Return whether an address may redirect to another: to https, or from loopback to loopback."""
    try:
        here, there = urlsplit(start), urlsplit(target)
        if there.scheme == "https":
            return bool(there.hostname)
    except ValueError:
        return False
    return there.scheme == "http" and all(
        is_loopback(parts.hostname or "") for parts in (here, there)
    )


def may_forward(start: str, target: str) -> bool:
    """Return whether a download may be redirected: as ``may_lead``, or from http to http.

    A download by https is never redirected to http, and no other host redirects to loopback.
    """
    try:
        here, there = urlsplit(start), urlsplit(target)
        hosts = here.hostname or "", there.hostname or ""
    except ValueError:
        return False
    if here.scheme == there.scheme == "http" and hosts[1]:
        return is_loopback(hosts[0]) or not is_loopback(hosts[1])
    return there.scheme == "https" and bool(hosts[1])


def is_loopback(host: str) -> bool:
    """Return whether a host is the local one, without a DNS query."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_same_origin(one: str, other: str) -> bool:
    """Return whether two addresses have scheme, host and port in common."""
    try:
        first, second = ((x.scheme, x.hostname, x.port) for x in map(urlsplit, (one, other)))
    except ValueError:
        return False
    return first == second
