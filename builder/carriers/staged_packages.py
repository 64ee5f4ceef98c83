"""Packages put aside on a disk for its first boot: names, files as a repository, a unit.

All of it goes through one transaction of tdnf, so dependencies between names and files are solved
together: tdnf before 3.0.0 takes no files, and later ones refuse files that others signed. A
repository of the image's own is taken by all of them, and needs no check of its own.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from builder.blob import Blob
from builder.changes import FileOp, InstallPackages, Remove, WriteFile
from builder.engine import unit_links
from builder.engine.knowledge import Knowledge
from builder.engine.text import packages
from builder.engine.tree import Tree, read_text
from builder.errors import GuestError
from builder.formats import rpm_repo
from builder.formats.filesystem import Kind
from builder.formats.rpm import read_header
from builder.formats.rpm_repo import Package
from builder.guest.packages_script import SCRIPT_TEXT
from builder.guestpath import guest, join

_REPOSITORIES = guest("/etc/yum.repos.d")
_SECTION = re.compile(r"^\[(?P<id>[^\]\n]+)\][^\[]*?^baseurl=(?P<address>\S+)", re.MULTILINE)
_PLACES = {"release": "/photon_release_", "updates": "/photon_updates_"}
"""What the addresses of Photon's repositories have in them, in every release."""

_REPOMD = join(packages.REPOSITORY, "repodata/repomd.xml")


def stage_packages(change: InstallPackages, root: Tree, known: Knowledge) -> Iterator[FileOp]:
    """Yield what a first boot with a network needs to install packages.

    Raises:
        FormatError: a file is not an RPM package.
        GuestError: the base has no repository of the wanted kind.
    """
    yield WriteFile(packages.UNIT_PATH, Blob.text(packages.UNIT_TEXT))
    yield WriteFile(packages.SCRIPT, Blob.text(SCRIPT_TEXT), 0o755)
    if change.source:
        ids = _ids(change.source, root)
        yield WriteFile(packages.FROM, Blob.text("".join(f"{each}\n" for each in ids)))
    added = [_package(name, content, known.timestamp) for name, content in change.files]
    if added:
        yield WriteFile(packages.REPOSITORY_FILE, Blob.text(packages.REPOSITORY_TEXT))
        for name, content in change.files:
            yield WriteFile(join(packages.REPOSITORY, name), content)
        yield from _index(added, root, known.timestamp)
    wanted = read_text(root, packages.WANTED, missing="").split()
    listed = sorted({*wanted, *change.names, *map(_exact_name, added)})
    yield WriteFile(packages.WANTED, Blob.text("".join(f"{name}\n" for name in listed)))
    yield from unit_links.enable(packages.UNIT, root)
    yield from unit_links.add_preset(packages.UNIT, root, enable=True)


def _package(name: str, content: Blob, timestamp: int) -> Package:
    """Return what the metadata says of a file."""
    with content.open() as stream:
        header = read_header(stream, name)
    return Package(header, content.sha256, content.size, name, timestamp)


def _exact_name(package: Package) -> str:
    """Return the name that means this package alone, whatever other repositories have."""
    tags = (rpm_repo.NAME, rpm_repo.VERSION, rpm_repo.RELEASE)
    return "-".join(package.header.text(tag) for tag in tags)


def _index(added: Sequence[Package], root: Tree, timestamp: int) -> Iterator[FileOp]:
    """Yield the repository's metadata, with what another overlay has added to it before."""
    places = _places(root)
    indexes: dict[str, tuple[str, bytes]] = {}
    for kind in rpm_repo.KINDS:
        old = join(packages.REPOSITORY, places[kind]) if kind in places else None
        data = b"".join(root.chunks(old)) if old else rpm_repo.empty_index(kind)
        new = rpm_repo.add_to_index(data, kind, added)
        if new == data:
            return
        if old:
            yield Remove(old)
        indexes[kind] = (f"repodata/{sha256(new).hexdigest()}-{kind}.xml.gz", new)
    for href, data in indexes.values():
        yield WriteFile(join(packages.REPOSITORY, href), Blob.of(data))
    yield WriteFile(_REPOMD, Blob.text(rpm_repo.format_new_repomd(indexes, timestamp)))


def _places(root: Tree) -> Mapping[str, str]:
    """Return where the metadata lies that is there already, by its kind."""
    repomd = read_text(root, _REPOMD, missing="")
    return rpm_repo.locate(repomd) if repomd else {}


def _ids(source: str, root: Tree) -> list[str]:
    """Return the ids of the base's repositories that have the packages of a release, or later."""
    found = [
        section["id"]
        for text in _repository_files(root)
        for section in _SECTION.finditer(text)
        if _PLACES[source] in section["address"]
    ]
    if not found:
        raise GuestError(
            f"the base has no repository with {_PLACES[source]} in its address: "
            f"looked into {_REPOSITORIES}",
            code="PKG020",
            hint="write `repositories: {install_from: enabled}`",
        )
    return sorted(found)


def _repository_files(root: Tree) -> Iterator[str]:
    """Yield the texts of the base's .repo files."""
    node = root.lstat(_REPOSITORIES)
    names = root.names(_REPOSITORIES) if node and node.kind is Kind.DIRECTORY else ()
    for name in fnmatch.filter(names, "*.repo"):
        yield read_text(root, join(_REPOSITORIES, name))
