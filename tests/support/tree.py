"""A root tree as data, and written to a folder for `mke2fs -d`.

Owners, modes and links are kept beside the folder, so that no privilege is needed to make it:
what the folder cannot hold, :mod:`tests.support.ext4_image` sets in the image.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

MTIME: Final = 1_700_000_000
"""Seconds since the epoch: the time of everything in a made tree."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


Entry = Directory | File | Link
Tree = dict[str, Entry]
"""Absolute path in the guest to what is there."""


def text(content: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> File:
    """Wrap text as a file."""
    return File(content.encode(), mode, uid, gid)


def program(content: str = "#!/bin/sh\nexit 0\n") -> File:
    """Wrap a script as an executable."""
    return text(content, 0o755)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a folder made without privilege does not hold of a node: owner and real mode."""

    mode: int
    uid: int
    gid: int


@dataclass(slots=True)
class TreeFolder:
    """A folder that holds a tree's bytes, and the attributes to set in the image.

    Attributes:
        folder: Where the bytes are.
        attributes: Guest path to owner and mode, for files and directories.
    """

    folder: Path
    attributes: dict[str, Attributes] = field(default_factory=dict)

    def add(self, path: str, entry: Entry) -> None:
        """Make ``path`` what ``entry`` says; what was there is replaced."""
        match entry:
            case Directory(mode, uid, gid):
                self.add_directory(path, Attributes(mode, uid, gid))
            case File(content, mode, uid, gid):
                self._clear(path).write_bytes(content)
                self._settle(path, Attributes(mode, uid, gid))
            case Link(target):
                self.add_link(path, target)

    def add_directory(self, path: str, attributes: Attributes, mtime: int = MTIME) -> None:
        """Make a directory, or give the existing one these attributes."""
        place = self._place(path)
        if place.is_symlink() or not place.is_dir():
            self._clear(path).mkdir()
        self._settle(path, attributes, mtime)

    def add_stream(
        self, path: str, source: IO[bytes], attributes: Attributes, mtime: int = MTIME
    ) -> None:
        """Make a file from a stream."""
        with self._clear(path).open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        self._settle(path, attributes, mtime)

    def add_link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        place = self._clear(path)
        place.symlink_to(target)
        os.utime(place, (MTIME, MTIME), follow_symlinks=False)
        self.attributes[path] = Attributes(0o777, 0, 0)

    def add_hard_link(self, path: str, existing: str) -> None:
        """Give the file ``existing`` a second name."""
        os.link(self._place(existing), self._clear(path), follow_symlinks=False)

    def add_tree(self, tree: Tree) -> None:
        """Lay a tree over what is there, parents first."""
        for path in sorted(tree):
            self.add(path, tree[path])

    def remove(self, path: str) -> None:
        """Remove ``path`` and everything below it."""
        self._clear(path)

    def exists(self, path: str) -> bool:
        """Return whether the name exists; links are not followed."""
        return os.path.lexists(self._place(path))

    def move_children(self, path: str, other: str) -> None:
        """Move what a directory holds into another one, then remove it."""
        for child in sorted(self._place(path).iterdir()):
            if not self.exists(f"{other}/{child.name}"):
                child.rename(self._place(other) / child.name)
        self.remove(path)

    def seal(self) -> None:
        """Name the owner of parents made in passing, and give every directory its time."""
        for place in [self.folder, *self.folder.rglob("*")]:
            if place.is_dir() and not place.is_symlink():
                path = f"/{place.relative_to(self.folder)}" if place != self.folder else "/"
                if path not in self.attributes:
                    self._settle(path, Attributes(0o755, 0, 0))
                os.utime(place, (MTIME, MTIME))

    def _place(self, path: str) -> Path:
        """Where a guest path lies on this machine."""
        return self.folder / path.lstrip("/")

    def _clear(self, path: str) -> Path:
        """Remove what has that name, make its parent, and return the place."""
        place = self._place(path)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
            below = f"{path}/"
            for old in [name for name in self.attributes if name.startswith(below)]:
                del self.attributes[old]
        elif os.path.lexists(place):
            place.unlink()
        self.attributes.pop(path, None)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _settle(self, path: str, attributes: Attributes, mtime: int = MTIME) -> None:
        """Remember owner and mode, and set what any user may: a mode that stays readable."""
        place = self._place(path)
        self.attributes[path] = attributes
        place.chmod(attributes.mode | (0o700 if place.is_dir() else 0o400))
        os.utime(place, (mtime, mtime))
