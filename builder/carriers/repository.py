"""The package repository of installation media: what it has, and what is added to it."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import sha256

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from builder.engine.overlay import OverlayTree
from builder.engine.tree import Tree, read_text
from builder.errors import FormatError, GuestError
from builder.formats import rpm_repo
from builder.formats.filesystem import Kind
from builder.formats.rpm import read_header
from builder.formats.rpm_repo import Package
from builder.guestpath import GuestPath, guest, join

REPOSITORY = guest("/RPMS")
_REPOMD = join(REPOSITORY, "repodata/repomd.xml")
_SHORTCUT = join(REPOSITORY, "repodata/primary.xml.gz")
"""A link that Photon's installers of 3.0 read; it names the real file beside it."""

_WORD = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")
_FILE = re.compile(r"^(?P<name>.+)-[^-]+-[^-]+\.[^.]+\.rpm$")


def check_names(root: Tree, names: Collection[str]) -> None:
    """Refuse packages that the medium does not have: it is all that the installer looks at.

    Raises:
        GuestError: names all of them.
    """
    files = [file for directory in _directories(root) for file in root.names(directory)]
    likely = [file for file in files if file.startswith(tuple(names))]
    missing = {*names}.difference(_iter_names(likely))
    if missing and any(_iter_names(files)):
        raise GuestError(
            f"the medium has no package {', '.join(sorted(missing))}",
            code="PKG010",
            hint="take the full ISO, or give the RPM files under `packages`",
        )


def _iter_names(files: Iterable[str]) -> Iterator[str]:
    """Yield the names of the packages that files of the repository are."""
    for file in files:
        if found := _FILE.fullmatch(file):
            yield found["name"]


def _directories(root: Tree) -> Iterator[GuestPath]:
    """Yield the repository's directories of packages."""
    node = root.lstat(REPOSITORY)
    for name in root.names(REPOSITORY) if node and node.kind is Kind.DIRECTORY else ():
        below = root.lstat(join(REPOSITORY, name))
        if below is not None and below.kind is Kind.DIRECTORY:
            yield join(REPOSITORY, name)


def add_packages(root: OverlayTree, files: Sequence[tuple[str, Blob]], timestamp: int) -> list[str]:
    """Add RPM files to the repository and return the names of their packages.

    Raises:
        FormatError: a file is no RPM package, or the metadata is damaged.
        GuestError: the medium has no repository.
    """
    packages = [_package(name, content, timestamp) for name, content in files]
    for package, (_, content) in zip(packages, files, strict=True):
        keep(root, WriteFile(join(REPOSITORY, package.href), content))
    if packages:
        _renew(root, packages, timestamp)
    return [package.header.text(rpm_repo.NAME) for package in packages]


def keep(root: OverlayTree, op: FileOp) -> None:
    """Keep one operation on the tree of a medium, and the directory that it needs."""
    above = guest(op.path.rpartition("/")[0] or "/")
    if root.lstat(above) is None:
        root.apply(MakeDirectory(above))
    root.apply(op)


def _package(name: str, content: Blob, timestamp: int) -> Package:
    """Return what the metadata says of an RPM file."""
    with content.open() as stream:
        header = read_header(stream, name)
    arch = header.text(rpm_repo.ARCH)
    if not _WORD.fullmatch(arch) or not _WORD.fullmatch(header.text(rpm_repo.NAME)):
        raise FormatError(f"{name}: its header has no name or no architecture")
    return Package(header, content.sha256, content.size, f"{arch}/{name}", timestamp)


def _renew(root: OverlayTree, packages: Sequence[Package], timestamp: int) -> None:
    """Write metadata that knows the packages, and remove what it takes the place of."""
    if root.lstat(_REPOMD) is None:
        raise GuestError(
            f"the medium has no {_REPOMD}: RPM files cannot be added to it",
            code="PKG011",
            hint="use an ISO of Photon OS that installs",
        )
    repomd = read_text(root, _REPOMD)
    places = rpm_repo.locate(repomd)
    indexes = {}
    for kind in rpm_repo.KINDS:
        old = b"".join(root.chunks(join(REPOSITORY, places[kind])))
        new = rpm_repo.add_to_index(old, kind, packages)
        if new == old:
            return
        indexes[kind] = (f"repodata/{sha256(new).hexdigest()}-{kind}.xml.gz", new)
    for kind, href in places.items():
        if kind in indexes or kind.endswith("_db"):
            root.apply(Remove(join(REPOSITORY, href)))
    for href, data in indexes.values():
        root.apply(WriteFile(join(REPOSITORY, href), Blob.of(data)))
    root.apply(WriteFile(_REPOMD, Blob.text(rpm_repo.format_repomd(repomd, indexes, timestamp))))
    if root.lstat(_SHORTCUT) is not None:
        root.apply(MakeSymlink(_SHORTCUT, indexes["primary"][0].rpartition("/")[2]))
