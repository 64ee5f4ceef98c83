"""What may be done to the tree of an ISO 9660 image, as data."""

from builder.formats.filesystem import Content
from builder.structs import Struct


class AddFile(Struct, frozen=True):
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


class AddDirectory(Struct, frozen=True):
    """Make ``path`` a directory, or give the existing one this mode and owner."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int | None = None


class AddSymlink(Struct, frozen=True):
    """Make ``path`` a symbolic link; a file or link of that name is replaced."""

    path: str
    target: str
    uid: int = 0
    gid: int = 0
    mtime: int | None = None


class Remove(Struct, frozen=True):
    """Make ``path`` and everything below it absent; absent already is fine."""

    path: str


Edit = AddFile | AddDirectory | AddSymlink | Remove
