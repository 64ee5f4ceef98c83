"""What a filesystem inside a disk can do, whichever format it has.

Paths are absolute, normalised texts and are taken literally: a symbolic link is never
followed (:mod:`builder.roots` does that). Names that are not UTF-8 are surrogate-escaped.
"""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from builder.engine.nodes import Kind, Node

__all__ = ["Content", "Filesystem", "Kind", "Node"]


class Content(Protocol):
    """Bytes to be written: how many, and a way to read them."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        ...


class Filesystem(Protocol):
    """A filesystem that can be read, and edited in place.

    Every method raises ``FormatError`` when the structures on the disk are damaged,
    ``GuestError`` when the tree does not allow the operation (no such file, not a
    directory, an owner that the format cannot hold), ``NoSpaceError`` when it is full.
    """

    holds_modes: bool
    """Whether owners and modes are stored; FAT has neither."""

    @property
    def free(self) -> int:
        """Bytes that can still be allocated."""
        ...

    def lstat(self, path: str) -> Node | None:
        """Describe ``path``; ``None`` when it or a parent is absent or not a directory."""
        ...

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a regular file's content in pieces of 1 MiB at most."""
        ...

    def names(self, path: str) -> list[str]:
        """Return a directory's entries, sorted, without ``.`` and ``..``."""
        ...

    def write_file(self, path: str, content: Content, *, mode: int, uid: int, gid: int) -> None:
        """Make ``path`` a regular file; an existing file or link of that name is replaced.

        The parent must exist. Other names of the same inode keep the old content.
        """
        ...

    def make_directory(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Make ``path`` a directory, or give the existing one this mode and owner."""
        ...

    def make_symlink(self, path: str, target: str) -> None:
        """Make ``path`` a symbolic link; an existing file or link of that name is replaced."""
        ...

    def remove(self, path: str) -> None:
        """Remove ``path`` and everything below it; absent already is fine."""
        ...

    def flush(self) -> None:
        """Write out what is held back (bitmaps, counters); nothing may be lost after it."""
        ...
