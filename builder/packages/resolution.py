"""From names of packages to proved RPM files: all that an installation needs, and no more.

What a base has installed is read from its own database; what is missing is worked out by libsolv,
downloaded by the digests of the repository's index, and checked by the keys that the repository
names. Files that would conflict stop it here, not on the first boot.
"""

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.blob import Blob
from builder.cache import Cache
from builder.catalog import Source
from builder.engine.paths import guest, join
from builder.engine.tree import Tree, resolve
from builder.errors import FormatError, GuestError
from builder.fetch import fetch
from builder.formats import rpm_repo
from builder.formats.filesystem import Kind
from builder.formats.openpgp import Key, read_keys
from builder.formats.rpm import Header, read_header
from builder.formats.rpm_signature import Signer, check_package
from builder.packages import conflicts
from builder.packages.closure import Choice, Closure, Index, Metadata, solve
from builder.packages.installed import read_tags
from builder.packages.repositories import Repository, parse_repositories, read_metadata
from builder.progress import Progress
from builder.structs import Struct

FOLDER = "/etc/yum.repos.d"
_PLACES = {"release": "/photon_release_", "updates": "/photon_updates_"}
"""What the addresses of Photon's repositories have in them, in every release."""
_PHOTON_KEY = "/etc/pki/rpm-gpg/VMWARE-RPM-GPG-KEY"
"""Signed packages until 2024, and that with ``-4096`` behind its name since then. A repository may
name only one, as old versions of tdnf take no more; its packages are signed by both."""
_FILES = "the RPM files of the spec"
_FIRST = 1 << 20
"""Priority of files that the spec names: they win over what repositories have."""
_TAGS = rpm_repo.SOLVER_TAGS | conflicts.TAGS
_VITAL = frozenset({"filesystem", "glibc", "systemd", "rpm", "linux", "linux-esx", "linux-rt"})
_MOST_NAMED = 5


class Need(Struct, frozen=True):
    """What a spec wants to be installed.

    Attributes:
        names: Names of packages.
        files: Name and content of RPM files.
        source: ``release`` or ``updates``: take that repository of Photon; empty: the enabled ones.
        may_update: Whether vital packages of the base may be replaced.
    """

    names: tuple[str, ...]
    files: tuple[tuple[str, Blob], ...] = ()
    source: str = ""
    may_update: bool = False


class Ground(Struct, frozen=True):
    """What packages are installed on.

    Attributes:
        tree: The base, with the repositories and keys that the spec adds.
        release: Of Photon, such as ``5.0``.
        arch: Of the machine.
    """

    tree: Tree
    release: str
    arch: str


def resolve_packages(need: Need, ground: Ground, cache: Cache, progress: Progress) -> Closure:
    """Return what has to be installed for a need; files of the spec have no address.

    Raises:
        FetchError, DigestMismatch: a repository is out of reach, or is damaged.
        GuestError: the packages cannot be installed on the base; says why.
        ToolError: libsolv is not installed.
    """
    repositories = choose_repositories(need.source, ground)
    base = [Header("the base", 0, 0, tags, 0) for tags in read_tags(ground.tree, _TAGS)]
    if not base:
        raise GuestError(
            "the base has no database of installed packages, so what they need is unknown",
            hint="write `repositories: {install: online}`",
            code="PKG013",
        )
    headers = [(name, blob, _header(name, blob)) for name, blob in need.files]
    names = (*need.names, *(header.text(rpm_repo.NAME) for *_, header in headers))
    with TemporaryDirectory(prefix="photon-builder-") as folder:
        own = _own_metadata(headers, Path(folder)) if headers else None
        closure = _solve(names, base, ground.arch, _Sources(repositories, own, cache, progress))
    _check_vital(closure, need)
    return closure


def choose_repositories(source: str, ground: Ground) -> list[Repository]:
    """Return the repositories that packages are taken from.

    Raises:
        GuestError: the base has no repository of that kind.
    """
    variables = {"releasever": ground.release, "basearch": ground.arch}
    known = list(parse_repositories(_texts(ground), variables))
    if not source:
        return [each for each in known if each.is_enabled]
    found = [each for each in known if _PLACES[source] in each.address]
    if not found:
        raise GuestError(
            f"the base has no repository with {_PLACES[source]} in its address: looked into "
            f"{FOLDER}",
            hint="write `repositories: {install_from: enabled}`",
            code="PKG020",
        )
    return found


def fetch_package(
    choice: Choice, cache: Cache, progress: Progress, *, offline: bool = False
) -> Blob:
    """Return the file of a package, with the digest that its repository lists.

    Raises:
        FetchError: it is out of reach, or its repository lists no SHA-256.
        DigestMismatch: it is not the file that was chosen.
    """
    source = Source(choice.filename, (choice.url,), {"sha256": choice.sha256})
    verified = fetch(source, cache, progress, offline=offline)
    return Blob(verified.sha256, verified.size, verified.path)


def check_signatures(
    packages: Sequence[tuple[Choice, Blob]], ground: Ground
) -> Iterator[tuple[Choice, Signer]]:
    """Yield who signed each package of a repository that asks for signatures.

    Raises:
        DigestMismatch: a package is not signed by a key that its repository names.
    """
    variables = {"releasever": ground.release, "basearch": ground.arch}
    known = {each.id: each for each in parse_repositories(_texts(ground), variables)}
    for choice, blob in packages:
        repository = known.get(choice.repository)
        if repository is not None and repository.is_signed:
            keys = _keys_of(ground, repository)
            with blob.open() as stream:
                yield choice, check_package(stream, choice.filename, keys)


def _keys_of(ground: Ground, repository: Repository) -> dict[str, Key]:
    """Return the keys of a repository by their ids; files that are absent have none."""
    paths = set(repository.key_files)
    if any(path.startswith(_PHOTON_KEY) for path in paths):
        paths |= {_PHOTON_KEY, f"{_PHOTON_KEY}-4096"}
    found: dict[str, Key] = {}
    for path in sorted(paths):
        if content := _read(ground, path):
            found |= read_keys(content, path)
    return found


def check_conflicts(ground: Ground, headers: Sequence[Header], replaced: Sequence[str]) -> None:
    """Refuse packages whose files would conflict.

    Raises:
        GuestError: names the files and the packages.
    """
    base = (Header("the base", 0, 0, tags, 0) for tags in read_tags(ground.tree, _TAGS))
    found = list(map(str, conflicts.find_conflicts(base, headers, replaced)))
    if found:
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise GuestError(
            f"rpm would refuse the packages: {'; '.join(found[:_MOST_NAMED])}{more}",
            hint="drop one of the packages",
            code="PKG009",
        )


class _Sources(Struct, frozen=True):
    """Where packages may come from, and what reads it."""

    repositories: Sequence[Repository]
    own: Metadata | None
    cache: Cache
    progress: Progress

    def read(self, *, with_files: bool) -> list[Metadata]:
        """Return the indexes."""
        found = [
            read_metadata(each, self.cache, self.progress, with_files=with_files)
            for each in self.repositories
        ]
        return [*([self.own] if self.own else []), *found]


def _solve(names: Sequence[str], base: Sequence[Header], arch: str, sources: _Sources) -> Closure:
    """Return the closure; the names of all files are read only when a path is missing without."""
    try:
        return solve(names, base, sources.read(with_files=False), arch)
    except GuestError as error:
        if " /" not in str(error):
            raise
    return solve(names, base, sources.read(with_files=True), arch)


def _own_metadata(headers: Sequence[tuple[str, Blob, Header]], folder: Path) -> Metadata:
    """Return an index of the RPM files that the spec names."""
    rows = [
        rpm_repo.Package(header, blob.sha256, blob.size, name, 0) for name, blob, header in headers
    ]
    indexes = {}
    for kind in ("primary", "filelists"):
        path = folder / f"{kind}.xml.gz"
        path.write_bytes(rpm_repo.add_to_index(rpm_repo.empty_index(kind), kind, rows))
        indexes[kind] = Index(path, path.name)
    return Metadata(_FILES, "", indexes["primary"], indexes["filelists"], _FIRST)


def _check_vital(closure: Closure, need: Need) -> None:
    """Refuse to replace what the guest cannot start without, unless that was asked for."""
    vital = [str(each) for each in closure.replaced if each.name in _VITAL]
    if vital and not need.may_update:
        raise GuestError(
            f"installing the packages would replace {', '.join(vital)}",
            hint="take packages of the base's own age, `repositories: {install_from: release}`, "
            "or allow it: `repositories: {may_update: true}`",
            code="PKG015",
        )


def _header(name: str, blob: Blob) -> Header:
    with blob.open() as stream:
        return read_header(stream, name)


def _texts(ground: Ground) -> Iterator[str]:
    """Yield the .repo files that the guest will have."""
    folder = guest(FOLDER)
    node = ground.tree.lstat(folder)
    names = ground.tree.names(folder) if node and node.kind is Kind.DIRECTORY else []
    for name in fnmatch.filter(names, "*.repo"):
        yield _read(ground, join(folder, name)).decode(errors="replace")


def _read(ground: Ground, path: str) -> bytes:
    """Return a file that the guest will have; empty without it."""
    try:
        return b"".join(ground.tree.chunks(resolve(ground.tree, guest(path))))
    except (GuestError, FormatError):
        return b""
