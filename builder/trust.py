"""Bases that nobody published a digest of: trusted when first seen, and held to that ever after.

Published media and appliances of the newest releases have no digest that could be checked. The
first download is trusted, said in one sentence, and recorded in the lock file beside the spec.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from builder.addresses import shown
from builder.base import find_base
from builder.cache import Cache
from builder.catalog import Source
from builder.digests import Verified
from builder.errors import HostError
from builder.fetch import pin
from builder.lock import NAME, amend_lock, read_lock
from builder.progress import Progress
from builder.spec import CatalogBase, Spec, UrlBase
from builder.structs import Struct
from builder.targets import Target

_TLS = "https://"
_PLAIN = "http://"


class Trusted(Struct, frozen=True):
    """A file that was seen for the first time.

    Attributes:
        source: Where it is published.
        verified: What came.
        recorded: The lock file that has its digest now.
    """

    source: Source
    verified: Verified
    recorded: Path

    def __str__(self) -> str:
        return (
            f"{self.source.filename}: no digest of it was published, so it is trusted as "
            f"{_seen(self.verified.origin)}, sha256 {self.verified.sha256}, and "
            f"{self.recorded} holds every later build to it"
        )

    def row(self) -> dict[str, object]:
        """Return it as plain data."""
        verified = self.verified
        return {
            "file": shown(self.source.key),
            "sha256": verified.sha256,
            "size": verified.size,
            "origin": verified.origin,
        }


def find_untrusted(spec: Spec, targets: Iterable[Target]) -> dict[str, Source]:
    """Return the bases that have no digest yet, by what the lock file calls them."""
    if not isinstance(spec.base, CatalogBase | UrlBase):
        return {}
    locked = read_lock(spec.path.parent)
    found: dict[str, Source] = {}
    for target in targets:
        source = find_base(spec.base, target, locked).source
        if source is not None and not source.digests:
            found[source.key] = source
    return found


def trust(
    sources: Mapping[str, Source],
    directory: Path,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
) -> list[Trusted]:
    """Fetch files and record their digests in the lock file of a folder.

    Raises:
        HostError: the lock file cannot be written; nothing was fetched.
        FetchError: one of them cannot be fetched; what came before it is recorded.
    """
    if sources and not os.access(directory, os.W_OK):
        raise HostError(
            f"{directory / NAME}: permission denied, so the digest of what is trusted cannot be "
            "recorded",
            hint="make the folder writable, or copy the spec to one that is",
        )
    found = []
    for key, source in sources.items():
        verified = pin(source, cache, progress, offline=offline)
        path = amend_lock(directory, {key: {"sha256": verified.sha256}})
        found.append(Trusted(source, verified, path))
    return found


def _seen(origin: str) -> str:
    """Say how a file came."""
    host = origin.partition("://")[2].partition("/")[0]
    if origin.startswith(_TLS):
        return f"first seen over TLS from {host}"
    if origin.startswith(_PLAIN):
        return f"first seen from {host}, without TLS"
    return f"first seen in {origin}"
