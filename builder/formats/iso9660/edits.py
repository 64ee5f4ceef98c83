"""What may be done to the tree of an ISO 9660 image, as data."""

from dataclasses import dataclass

from builder.formats.filesystem import Content


@dataclass(frozen=True, slots=True)
class AddFile:
    """Make ``path`` a regular file; a file or link of that name is replaced.

    Missing parents are made, root's and 0755.

    Attributes:
        path: Absolute and normalised.
        content: Its bytes.
        mode: Permission bits.
        uid: Owner.
        gid: Group.
        mtime: Seconds since the epoch; ``None`` for the time of the whole edit.
    """

    path: str
    content: Content
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int | None = None


@dataclass(frozen=True, slots=True)
class AddDirectory:
    """Make ``path`` a directory, or give the existing one this mode and owner."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int | None = None


@dataclass(frozen=True, slots=True)
class AddSymlink:
    """Make ``path`` a symbolic link; a file or link of that name is replaced."""

    path: str
    target: str
    uid: int = 0
    gid: int = 0
    mtime: int | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Make ``path`` and everything below it absent; absent already is fine."""

    path: str


Edit = AddFile | AddDirectory | AddSymlink | Remove
