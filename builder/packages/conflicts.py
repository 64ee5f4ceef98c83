"""Files that two packages would both install, with different content: rpm refuses those."""

from collections.abc import Collection, Iterable, Iterator

from builder.formats.rpm import Header
from builder.formats.rpm_repo import NAME
from builder.structs import Struct

_MODES, _DIGESTS, _LINKS, _FLAGS = 1030, 1035, 1036, 1037
_DIRECTORY_OF, _NAMES, _DIRECTORIES = 1116, 1117, 1118
_GHOST = 0x40
_DIRECTORY_TYPE, _TYPE_BITS = 0o040000, 0o170000
TAGS = frozenset((NAME, _MODES, _DIGESTS, _LINKS, _FLAGS, _DIRECTORY_OF, _NAMES, _DIRECTORIES))
"""The tags that ``find_conflicts`` looks at."""

_Nature = tuple[int, str, str]


class Conflict(Struct, frozen=True):
    """One path that two packages want to be different files.

    Attributes:
        path: The path.
        first: Name of a package.
        second: Name of the other.
    """

    path: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.second} and {self.first} have different files at {self.path}"


def find_conflicts(
    base: Iterable[Header], new: Iterable[Header], replaced: Collection[str]
) -> Iterator[Conflict]:
    """Yield the conflicts of new packages with those of a base, and among themselves.

    Args:
        base: Headers of the installed packages, with ``TAGS``.
        new: Headers of the packages that are installed.
        replaced: Names of installed packages that give way.
    """
    added = list(new)
    paths = {path for header in added for path, _ in _files(header)}
    owners: dict[str, tuple[str, _Nature]] = {}
    for header in base:
        name = header.text(NAME)
        if name not in replaced:
            owners |= {path: (name, what) for path, what in _files(header) if path in paths}
    for header in added:
        name = header.text(NAME)
        for path, what in _files(header):
            owner, found = owners.setdefault(path, (name, what))
            if found != what:
                yield Conflict(path, owner, name)


def _files(header: Header) -> Iterator[tuple[str, _Nature]]:
    """Yield what makes files the same; folders may be shared, and ghosts are not installed."""
    directories = header.texts(_DIRECTORIES)
    columns = zip(
        header.texts(_NAMES),
        header.numbers(_DIRECTORY_OF),
        header.numbers(_MODES),
        header.numbers(_FLAGS),
        header.texts(_DIGESTS),
        header.texts(_LINKS),
        strict=False,
    )
    for name, index, mode, flags, digest, link in columns:
        if not flags & _GHOST and mode & _TYPE_BITS != _DIRECTORY_TYPE:
            folder = directories[index] if index < len(directories) else ""
            yield folder + name, (mode, digest, link)
