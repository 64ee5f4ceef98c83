"""A filesystem that is read and never changed: an image is added to by making another one."""

from collections.abc import Iterator
from typing import Protocol

from builder.engine.paths import GuestPath
from builder.errors import GuestError
from builder.formats.filesystem import Content, Node


class Reader(Protocol):
    """What reads a tree by literal paths."""

    def lstat(self, path: GuestPath, /) -> Node | None:
        """Describe ``path``; ``None`` if absent."""
        ...

    def chunks(self, path: GuestPath, /) -> Iterator[bytes]:
        """Yield a file's content."""
        ...

    def names(self, path: GuestPath, /) -> list[str]:
        """Return a directory's entries."""
        ...


class ReadOnlyFilesystem:
    """What reads a tree, as a filesystem that refuses to be changed.

    Args:
        reader: Reads it.
        noun: What messages call it.
    """

    holds_modes = True

    def __init__(self, reader: Reader, noun: str) -> None:
        self._reader = reader
        self._noun = noun

    @property
    def free(self) -> int:
        """Nothing can be allocated: an image is added to by making another."""
        return 0

    def lstat(self, path: str) -> Node | None:
        """Describe ``path``; ``None`` if absent."""
        return self._reader.lstat(GuestPath(path))

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's content."""
        return self._reader.chunks(GuestPath(path))

    def names(self, path: str) -> list[str]:
        """Return a directory's entries."""
        return self._reader.names(GuestPath(path))

    def write_file(self, path: str, content: Content, *, mode: int, uid: int, gid: int) -> None:
        """Refuse."""
        del content, mode, uid, gid
        raise self._refusal(path)

    def make_directory(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Refuse."""
        del mode, uid, gid
        raise self._refusal(path)

    def make_symlink(self, path: str, target: str) -> None:
        """Refuse."""
        del target
        raise self._refusal(path)

    def remove(self, path: str) -> None:
        """Refuse."""
        raise self._refusal(path)

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def _refusal(self, path: str) -> GuestError:
        """Return the error of a write."""
        return GuestError(f"{path}: {self._noun} cannot be changed in place")
