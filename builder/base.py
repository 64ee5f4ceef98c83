"""The base of an artifact: found in the catalog, downloaded and checked.

The digest is checked while the base is being copied, in the same pass; nothing is published
before it holds.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from builder.addresses import filename_of, shown
from builder.artifact import digest_of, stage
from builder.base_facts import facts_by_name, facts_of_file, facts_of_source, usual_arch
from builder.cache import Cache
from builder.catalog import Source, find_source
from builder.errors import BuilderError, DigestMismatch, HostError
from builder.facts import Facts, facts_of, revisions
from builder.host import FileState, state_of
from builder.lock import Lock
from builder.progress import Progress
from builder.sample_revision import sample_revision
from builder.spec import Base, CatalogBase, FileBase, SampleBase, Spec, UrlBase
from builder.structs import Struct, field
from builder.targets import Target

if TYPE_CHECKING:
    from builder.formats.bmap import BackgroundMap
    from builder.formats.stream import BackgroundDigest

_SAMPLE_TIMESTAMP = 1_600_000_000
SAMPLE_NAME = "the sample base"
"""Name of the sample, in provenance too; a chosen release is appended."""

MAP = "bmap-sha256"
"""Name in the records of the digest of a block map, which stands for all of a sparse file."""


class Origin(Struct, frozen=True):
    """A base that was chosen, but not opened yet.

    Attributes:
        text: Name for messages: a file name, an address, ``sample``.
        identity: Identifies the base, to decide whether an artifact is up to date;
            empty for a file without a digest.
        release: Photon release; empty when it is unknown before the base is opened.
        arch: Architecture.
        source: The file to download; ``None`` for a local file or the sample.
        path: A local file.
        digests: Expected digests: algorithm to lowercase hex.
        facts: Facts of the base, by the catalog or by the file's name.
    """

    text: str
    identity: str
    release: str
    arch: str
    source: Source | None = None
    path: Path | None = None
    digests: Mapping[str, str] | None = None
    facts: Facts = field(default_factory=lambda: facts_of(""))

    @property
    def is_sample(self) -> bool:
        """Return whether it is a sample, which does not boot."""
        return self.text.startswith(SAMPLE_NAME)

    @property
    def shown(self) -> str:
        """Name for messages, which states that the sample does not boot."""
        return f"{self.text}, which does not boot" if self.is_sample else self.text


class Opened(Struct, frozen=True):
    """A local base whose digests are being computed.

    Attributes:
        origin: The chosen base.
        path: The file.
        known: Digests that were checked when the file entered the cache.
        pending: Algorithm to expected digest (empty: only record it) and its computation.
        map: Block map of a sparse file, being computed; its digest is pending too.
        state: State of the file before it was read; ``None`` for the sample.
    """

    origin: Origin
    path: Path
    known: Mapping[str, str]
    pending: Mapping[str, tuple[str, "BackgroundDigest | BackgroundMap"]]
    map: "BackgroundMap | None" = None
    state: FileState | None = None

    @property
    def is_pinned(self) -> bool:
        """Return whether the file has an expected digest."""
        return bool(self.known) or any(wanted for wanted, _ in self.pending.values())

    def check(self) -> dict[str, str]:
        """Wait for the digests and return them, after everything was read.

        Raises:
            DigestMismatch: a digest differs from the expected one.
            HostError: the file changed while it was read.
        """
        if self.state is not None and state_of(self.path) != self.state:
            raise HostError(
                f"{self.origin.text}: was changed or replaced while it was read",
                hint="run the build again when no other program writes to it",
            )
        found = {name: digest.hexdigest() for name, (_, digest) in self.pending.items()}
        for name, (wanted, _) in self.pending.items():
            if wanted and found[name] != wanted:
                raise DigestMismatch(
                    f"{self.origin.text}: its {name} is {found[name]}, wanted {wanted}",
                    hint="do not use this file: download it again, and compare its digest",
                )
        return {**self.known, **found}


def find_base(base: Base, target: Target, locked: Lock | None = None) -> Origin:
    """Return the base of a spec for a target, without network.

    Raises:
        BuilderError: the catalog has no such artifact, or the file is missing.
    """
    match base:
        case SampleBase(release):
            return _sample_origin(release, target)
        case FileBase():
            return _file_origin(base, target)
        case UrlBase():
            return _url_origin(base, target)
        case CatalogBase(release, revision, arch):
            source = find_source(
                release, target.name, revision, arch, locked=locked.files if locked else None
            )
            return Origin(
                source.filename,
                _identity(source.digests),
                source.release,
                source.arch,
                source,
                None,
                source.digests,
                facts_of_source(source, target),
            )


def find_facts(spec: Spec, targets: Iterable[Target], locked: Lock) -> dict[str, Facts]:
    """Return the facts of the base of each target; targets without a base are left out."""
    found = {}
    for target in targets:
        try:
            found[target.name] = find_base(spec.base, target, locked).facts
        except BuilderError:  # reported when the target is planned
            continue
    return found


def open_base(
    origin: Origin, target: Target, cache: Cache, progress: Progress, *, offline: bool = False
) -> Opened:
    """Return the base as a local file, downloaded if needed, its digests being computed.

    Raises:
        FetchError: the download failed.
        HostError: it cannot be read.
    """
    if origin.source is not None:
        from builder.fetch import fetch

        verified = fetch(origin.source, cache, progress, offline=offline)
        known = {"sha256": verified.sha256}
        return Opened(origin, verified.path, known, {}, state=state_of(verified.path))
    if origin.path is not None:
        state = state_of(origin.path)
        if not origin.digests and _is_sparse(origin.path):
            found = _digest_map(origin.path)
            return Opened(origin, origin.path, {}, {MAP: ("", found)}, found, state)
        return _opened(origin, origin.path, origin.digests or {"sha256": ""}, state)
    sample = _sample(origin.facts, target, cache.folder("sample"))
    return _opened(origin, sample, {"sha256": ""}, None)


def identify(path: Path) -> dict[str, str]:
    """Return the digest that identifies a file without a published one.

    That of its block map when most of it is holes, else its SHA-256.
    """
    if _is_sparse(path):
        return {MAP: _digest_map(path).hexdigest()}
    return {"sha256": digest_of(path)}


def _is_sparse(path: Path) -> bool:
    """Return whether a file is mostly holes; ``False`` where the system cannot tell."""
    status = path.stat()
    return getattr(status, "st_blocks", status.st_size) * 512 < status.st_size // 2


def _digest_map(path: Path) -> "BackgroundMap":
    """Start computing the digest of a file's block map."""
    from builder.formats.bmap import BackgroundMap

    return BackgroundMap(path)


def _opened(
    origin: Origin, path: Path, digests: Mapping[str, str], state: FileState | None
) -> Opened:
    """Start computing the digests of a file."""
    from builder.formats.stream import BackgroundDigest

    return Opened(
        origin,
        path,
        {},
        {name: (wanted, BackgroundDigest(path, name)) for name, wanted in digests.items()},
        state=state,
    )


def _url_origin(base: UrlBase, target: Target) -> Origin:
    """Return the origin for a file at an address; credentials in it are left out."""
    address, digests, name = shown(base.url), base.digests, filename_of(base.url)
    source = Source(
        name,
        (base.url,),
        dict(digests),
        target=target.name,
        key=address,
        is_recorded=base.is_recorded,
    )
    known = facts_by_name(name, target)
    told = _identity(digests), known.release, known.arch
    return Origin(address, *told, source, digests=digests, facts=known)


def _file_origin(base: FileBase, target: Target) -> Origin:
    path, digests = base.path, base.digests
    try:
        path.stat()
    except OSError as error:
        raise HostError(
            f"{path}: {error.strerror}", hint="check `base.file` in the spec, or --base"
        ) from error
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "a device or a pipe"
        raise HostError(f"{path} is {kind}; wanted an image file")
    known = facts_of_file(path, target)
    if not known.release and base.release:
        arch = base.arch or usual_arch(target)
        known = facts_of(base.release, image=target.image, arch=arch)
    return Origin(
        str(path),
        _identity(digests),
        known.release,
        known.arch,
        None,
        path,
        digests or None,
        known,
    )


def _identity(digests: Mapping[str, str]) -> str:
    return " ".join(f"{name}:{value}" for name, value in sorted(digests.items()))


def _sample_origin(release: str, target: Target) -> Origin:
    """Return the origin for a sample: in the shape of the newest revision of a release."""
    row = revisions(release)[-1]
    arch = usual_arch(target)
    known = facts_of(row["release"], revision=row["names"][0], image=target.image, arch=arch)
    identity = f"sample {target.name} {known.revision} {sample_revision()}"
    text = f"{SAMPLE_NAME} of {known.text}" if release else SAMPLE_NAME
    return Origin(text, identity, known.release, arch, facts=known)


def _sample(facts: Facts, target: Target, directory: Path) -> Path:
    """Return the sample base of a target, which is cached by the digest of its inputs."""
    return made_once(
        directory / f"{target.name}-{facts.revision}-{sample_revision()}",
        lambda fd: target.sample(fd, _SAMPLE_TIMESTAMP, facts),
    )


def made_once(path: Path, make: Callable[[int], None]) -> Path:
    """Return ``path``, which ``make`` fills atomically if it is missing."""
    if not path.is_file():
        with stage(path.parent) as staging:
            make(staging.fd)
            staging.publish(path, mtime=_SAMPLE_TIMESTAMP)
    return path
