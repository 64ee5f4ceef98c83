"""Downloads: from a source with published digests to a verified file in the cache.

Mirrors are tried in order; a broken download is continued, also by another run; digests are
computed while the bytes arrive, and a file that lacks one never enters the cache. Proxies are
those of the environment (``https_proxy``, ``no_proxy``).
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from builder import log
from builder.addresses import shown
from builder.blob import Blob, Download
from builder.cache import Cache
from builder.catalog import Source
from builder.digests import Verified, check_digests, check_found, verify_file
from builder.errors import DigestMismatch, FetchError, HostError
from builder.fetch.addresses import local_path
from builder.fetch.partial import Partial
from builder.fetch.transfer import Transfer
from builder.fetch.wire import MirrorError, Patience
from builder.progress import Progress
from builder.structs import Struct

__all__ = ["Patience", "Verified", "fetch", "fetch_blob", "pin", "verify_file"]

_PATIENT = Patience()
_RECORDED = (
    "photon-builder.lock has the digest of the file that was first seen: do not use another one "
    "before you know why it differs; if Photon replaced it, remove the entry {!r} from the lock "
    "file, and the next build records the new one"
)
_OFFLINE = "it is not in the cache, and the network must not be used"


def fetch(
    source: Source,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
    patience: Patience = _PATIENT,
) -> Verified:
    """Return the file of ``source``, from the cache or from the first mirror that has it.

    Raises:
        FetchError: no mirror has it; the message says of each why.
        DigestMismatch: it is not the published file.
        HostError: it cannot be stored.
    """
    wanted = check_digests(source.digests)
    if not wanted:
        raise FetchError(
            f"{source.filename}: no digest to check it against",
            hint="give its sha256 in the spec, or let `photon-builder lock` record it",
        )
    if found := cache.find(wanted):
        log.info("%s is in the cache: %s", source.filename, found.path)
        return found
    log.info("%s is not in the cache", source.filename)
    if offline:
        raise _refusal(source, wanted, [_OFFLINE])
    algorithm, digest = next(iter(wanted.items()))
    waiting = _announcement(source, progress)
    with cache.lock(f"{algorithm}-{digest}", waiting) as path:
        return cache.find(wanted) or _Errand(source, wanted, cache, progress, patience).run(path)


def fetch_blob(
    blob: Blob,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
    patience: Patience = _PATIENT,
) -> Blob:
    """Return ``blob`` with its bytes on this machine; one that has them comes back as it is.

    Raises:
        FetchError, DigestMismatch, HostError: as ``fetch``.
    """
    if not isinstance(blob.source, Download):
        return blob
    source = Source(blob.source.filename, (blob.source.url,), {"sha256": blob.sha256})
    verified = fetch(source, cache, progress, offline=offline, patience=patience)
    return Blob(verified.sha256, verified.size, verified.path)


def pin(
    source: Source,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
    patience: Patience = _PATIENT,
) -> Verified:
    """Return a file whose digest nobody published, to record it: trust on first use.

    One that was fetched from the same address before, or that was added to the cache as this
    file, is not fetched again.

    Raises:
        FetchError, HostError: as ``fetch``.
    """
    wanted = check_digests(source.digests)
    addresses = {shown(url) for url in source.urls if "?" not in url}
    if not wanted and (found := cache.find_unpublished(source.key, addresses)):
        return found
    if offline:
        raise _refusal(source, wanted, [_OFFLINE])
    key = sha256("\0".join(source.urls).encode()).hexdigest()
    with cache.lock(f"unpinned-{key}", _announcement(source, progress)) as path:
        return _Errand(source, wanted, cache, progress, patience).run(path)


class _Errand(Struct, frozen=True):
    """Everything that one download needs, with the lock held."""

    source: Source
    wanted: Mapping[str, str]
    cache: Cache
    progress: Progress
    patience: Patience

    def run(self, path: Path) -> Verified:
        """Try every mirror; a wrong file from one does not stop the others."""
        reasons: list[str] = []
        mismatch: DigestMismatch | None = None
        for url in self.source.urls:
            try:
                return self._from(url, path)
            except DigestMismatch as error:
                mismatch = mismatch or error
                reasons.append(f"{shown(url)}: another file, with a wrong digest")
            except MirrorError as error:
                reasons.append(f"{shown(url)}: {error}")
            self.progress.phase(reasons[-1])
        if mismatch is not None:
            for reason in reasons:
                mismatch.add_note(reason)
            if self.source.is_recorded:
                mismatch.hint = _RECORDED.format(self.source.key)
            raise mismatch
        refused = _refusal(self.source, self.wanted, reasons)
        if kept := path.stat().st_size if path.exists() else 0:
            refused.add_note(f"{kept / 1e6:.1f} MB of it are kept, and the next run goes on there")
        raise refused

    def _from(self, url: str, path: Path) -> Verified:
        """Return the file from one address."""
        if (local := local_path(url)) is not None:
            return self._from_file(local)
        try:
            return self._download(url, path)
        except _SplicedError:
            self.progress.phase(f"{shown(url)}: the file changed meanwhile; from the beginning")
            return self._download(url, path)

    def _from_file(self, path: Path) -> Verified:
        """Return a file of this machine or of its network drives."""
        try:
            return self.cache.add_file(path, self.wanted)
        except HostError as error:
            if path.exists():
                raise
            raise MirrorError(str(error)) from error

    def _download(self, url: str, path: Path) -> Verified:
        """Complete the partial file from one address and check it."""
        source = self.source
        with Partial(path, {"sha256", *self.wanted}) as partial:
            Transfer(partial, source.size, self.progress, self.patience).run(url, source.filename)
            found = partial.finish()
            try:
                check_found(source.filename, self.wanted, found, shown(url))
            except DigestMismatch as error:
                partial.remove()
                if partial.is_spliced:
                    raise _SplicedError from error
                raise
            verified = self.cache.adopt(path, found, filename=source.filename, url=shown(url))
            partial.remove()
            return verified


class _SplicedError(Exception):
    """Parts of different versions of a file were joined."""


def _announcement(source: Source, progress: Progress) -> Callable[[], None]:
    """Return what is said when another process is at the same download."""
    return lambda: progress.phase(
        f"{source.filename}: another photon-builder is fetching it, waiting for that"
    )


def _given(source: Source) -> str:
    """Return what `cache add` is given for a file: what it is, when its name does not tell."""
    told = source.key or next(iter(source.urls), source.filename)
    return source.filename if told == source.filename else f"{source.filename} --as {shown(told)}"


def _refusal(source: Source, wanted: Mapping[str, str], reasons: Sequence[str]) -> FetchError:
    """Return the error that says what was tried and what can be done without a network."""
    tried = reasons or ["no address of it is known"]
    digests = "".join(f"\n  wanted {name} {value}" for name, value in wanted.items())
    return FetchError(
        f"{source.filename} cannot be fetched{digests}" + "".join(f"\n  {text}" for text in tried),
        hint=f"got the file otherwise? `photon-builder cache add {_given(source)}`, then run "
        "this again; to try the tool without any download, use BASE=sample",
    )
