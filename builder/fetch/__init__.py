"""Downloads files into the cache, verified by their published digests.

Mirrors are tried in order; a broken download is resumed, also by another run; digests are
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
from builder.fetch.wire import MirrorError, RetryPolicy
from builder.progress import Progress
from builder.structs import Struct

__all__ = ["RetryPolicy", "Verified", "fetch", "fetch_blob", "pin", "verify_file"]

_PATIENT = RetryPolicy()
_RECORDED = (
    "photon-builder.lock has the digest of the file that was first seen: do not use another one "
    "before you know why it differs; if Photon replaced it, remove the entry {!r} from the lock "
    "file, and the next build records the new one"
)
_OFFLINE = "not cached, and --offline forbids a download"


def fetch(
    source: Source,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
    policy: RetryPolicy = _PATIENT,
) -> Verified:
    """Return the file of ``source``, from the cache or from the first mirror that has it.

    Raises:
        FetchError: no mirror serves it; the message has the reason for each.
        DigestMismatch: the file differs from the published one.
        HostError: the file cannot be stored.
    """
    wanted = check_digests(source.digests)
    if not wanted:
        raise FetchError(
            f"{source.filename}: no digest to verify it by",
            hint="add its sha256 to the spec, or run `photon-builder lock` to record it",
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
        return cache.find(wanted) or _Download(source, wanted, cache, progress, policy).run(path)


def fetch_blob(
    blob: Blob,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
    policy: RetryPolicy = _PATIENT,
) -> Blob:
    """Return ``blob`` with its content downloaded, if it is not available locally.

    Raises:
        FetchError, DigestMismatch, HostError: as ``fetch``.
    """
    if not isinstance(blob.source, Download):
        return blob
    source = Source(blob.source.filename, (blob.source.url,), {"sha256": blob.sha256})
    verified = fetch(source, cache, progress, offline=offline, policy=policy)
    return Blob(verified.sha256, verified.size, verified.path)


def pin(
    source: Source,
    cache: Cache,
    progress: Progress,
    *,
    offline: bool = False,
    policy: RetryPolicy = _PATIENT,
) -> Verified:
    """Return a file without a published digest, to record it: trust on first use.

    A file that was downloaded from the same address before, or added to the cache as this
    file, is not downloaded again.

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
        return _Download(source, wanted, cache, progress, policy).run(path)


class _Download(Struct, frozen=True):
    """One download, with its lock held."""

    source: Source
    wanted: Mapping[str, str]
    cache: Cache
    progress: Progress
    policy: RetryPolicy

    def run(self, path: Path) -> Verified:
        """Try every mirror, also after one sent a wrong file."""
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
            refused.add_note(f"{kept / 1e6:.1f} MB were kept, the next run resumes")
        raise refused

    def _from(self, url: str, path: Path) -> Verified:
        """Return the file from one address."""
        if (local := local_path(url)) is not None:
            return self._from_file(local)
        try:
            return self._download(url, path)
        except _SplicedError:
            self.progress.phase(
                f"{shown(url)}: the file changed on the server; restarting from the beginning"
            )
            return self._download(url, path)

    def _from_file(self, path: Path) -> Verified:
        """Return a local file."""
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
            Transfer(partial, source.size, self.progress, self.policy).run(url, source.filename)
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
    """Return the notice that another process downloads the same file."""
    return lambda: progress.phase(
        f"{source.filename}: waiting for another photon-builder that downloads it"
    )


def _given(source: Source) -> str:
    """Return the arguments of `cache add` for a file."""
    told = source.key or next(iter(source.urls), source.filename)
    return source.filename if told == source.filename else f"{source.filename} --as {shown(told)}"


def _refusal(source: Source, wanted: Mapping[str, str], reasons: Sequence[str]) -> FetchError:
    """Return the error with all attempts and how to proceed without a network."""
    tried = reasons or ["no known address"]
    digests = "".join(f"\n  wanted {name} {value}" for name, value in wanted.items())
    return FetchError(
        f"{source.filename} cannot be downloaded{digests}"
        + "".join(f"\n  {text}" for text in tried),
        hint=f"got the file otherwise? `photon-builder cache add {_given(source)}`, then run "
        "this again; to try the tool without any download, use BASE=sample",
    )
