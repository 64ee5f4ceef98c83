"""Addresses as they are shown and recorded: without what may be secret in them (RFC 3986)."""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_CREDENTIALS = re.compile(r"//[^/?#]*@")
_SCHEME = re.compile(r"([a-z]{2,8}):/+")
_QUERY = re.compile(r"[?#].*", re.DOTALL)


def shown(url: str) -> str:
    """Return an address without what may be secret in it: credentials and the query's values."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _QUERY.sub("?…", _CREDENTIALS.sub("//", url))
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(f"{field.partition('=')[0]}=…" for field in parts.query.split("&") if field)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def shown_path(path: str) -> str:
    """Return a path as it is, and an address that was given for one without what may be secret."""
    is_address = _SCHEME.match(path)
    return shown(f"{is_address[1]}://{path[is_address.end() :]}") if is_address else path


def filename_of(url: str) -> str:
    """Return the name of the file at an address, or the host when the path ends in none."""
    try:
        parts = urlsplit(shown(url))
    except ValueError:
        return "the file"
    return unquote(parts.path.rpartition("/")[2]) or parts.netloc or "the file"
