"""The packages that are installed in an image, by rpm's own database inside it."""

from collections.abc import Container, Iterator
from functools import partial

from builder.engine.paths import GuestPath, guest
from builder.engine.tree import Tree, resolve
from builder.errors import FormatError, GuestError
from builder.formats.filesystem import Kind
from builder.formats.rpm import Value, parse_tags
from builder.formats.rpm_version import Age, age_of
from builder.formats.rpmdb import LARGEST, iter_headers
from builder.structs import Struct, asdict

_PLACES = (
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
)
"""Where rpm keeps its database: in 5.0, in 4.0 from Revision 2 on, before; see ``facts``."""

NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_SIZE, _LICENSE, _ARCH, _SOURCE = 1009, 1014, 1022, 1044
_TAGS = frozenset((NAME, _VERSION, _RELEASE, _EPOCH, _SIZE, _LICENSE, _ARCH, _SOURCE))
_KEYS = "gpg-pubkey"
"""Name of the entries that are keys, not packages."""


class InstalledPackage(Struct, frozen=True):
    """A package that rpm lists as installed.

    Attributes:
        name: Its name.
        epoch: Zero without one.
        version: As its authors count.
        release: As its packagers count.
        arch: Architecture, or ``noarch``.
        size: Bytes of its files.
        license: As the package states it.
        source: File name of the source package.
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    size: int
    license: str
    source: str

    @property
    def age(self) -> Age:
        """What orders it among packages of its name."""
        return age_of(self.epoch, self.version, self.release)

    @property
    def full_version(self) -> str:
        """Epoch, if there is one, version and release, as rpm prints them."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    def __str__(self) -> str:
        return f"{self.name}-{self.full_version}.{self.arch}"

    def answers(self, query: str) -> bool:
        """Return whether `rpm -q` would take a name for this package.

        Args:
            query: A name, or a name with a version, or with a version and a release.
        """
        versioned = f"{self.name}-{self.version}"
        return query in (self.name, versioned, f"{versioned}-{self.release}")

    def row(self) -> dict[str, str | int]:
        """Return it as plain data."""
        return asdict(self)


def read_installed(tree: Tree) -> tuple[InstalledPackage, ...]:
    """Return the installed packages, sorted by name; none when the tree has no database of rpm.

    Raises:
        FormatError: the database is damaged, or too large.
    """
    packages = map(_package, read_tags(tree, _TAGS))
    return tuple(sorted(packages, key=lambda p: (p.name, p.arch, p.age)))


def read_tags(tree: Tree, wanted: Container[int]) -> Iterator[dict[int, Value]]:
    """Yield tags of the header of each installed package.

    Args:
        tree: A root filesystem.
        wanted: Numbers of the tags; that of the name among them.

    Raises:
        FormatError: the database is damaged, or too large.
    """
    place = next(filter(None, map(partial(_find, tree), _PLACES)), None)
    if place is None:
        return
    log = _find(tree, f"{place}-wal")
    for data in iter_headers(_content(tree, place), _content(tree, log) if log else b"", place):
        tags = parse_tags(data, place, wanted)
        if _text(tags, NAME) not in ("", _KEYS):
            yield tags


def _find(tree: Tree, path: str) -> GuestPath | None:
    """Return where a file lies once links are followed; ``None`` without one."""
    try:
        found = resolve(tree, guest(path))
    except GuestError:
        return None
    node = tree.lstat(found)
    return found if node is not None and node.kind is Kind.FILE else None


def _content(tree: Tree, path: GuestPath) -> bytes:
    """Return the content of a file of the database."""
    node = tree.lstat(path)
    if node is not None and node.size > LARGEST:
        message = f"{path}: has {node.size} bytes; at most {LARGEST} are read"
        raise FormatError(message, code="PKG013")
    return b"".join(tree.chunks(path))


def _package(tags: dict[int, Value]) -> InstalledPackage:
    """Return what is kept of a header."""
    return InstalledPackage(
        name=_text(tags, NAME),
        epoch=_number(tags, _EPOCH),
        version=_text(tags, _VERSION),
        release=_text(tags, _RELEASE),
        arch=_text(tags, _ARCH),
        size=_number(tags, _SIZE),
        license=_text(tags, _LICENSE),
        source=_text(tags, _SOURCE),
    )


def _text(tags: dict[int, Value], tag: int) -> str:
    return next((value for value in tags.get(tag, ()) if isinstance(value, str)), "")


def _number(tags: dict[int, Value], tag: int) -> int:
    return next((value for value in tags.get(tag, ()) if isinstance(value, int)), 0)
