"""Addresses: what is shown of them, and those that lie on this machine (RFC 3986, RFC 8089)."""

from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit


def shown(url: str) -> str:
    """Return an address without what may be secret in it: credentials and the query's values."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(f"{field.partition('=')[0]}=…" for field in parts.query.split("&") if field)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def local_path(url: str) -> Path | None:
    """Return the file that a ``file:`` address names, ``None`` for other addresses."""
    if not url.startswith("file:"):
        return None
    return Path(unquote(urlsplit(url).path))
