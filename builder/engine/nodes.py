"""What a tree says of a path."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Union


class Kind(str, Enum):
    """Type of a node."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"

    def __str__(self) -> str:
        return str(self.value)


class Node(NamedTuple):
    """What ``lstat`` says of a path.

    Attributes:
        kind: File, directory, symbolic link, or another (device, FIFO, socket).
        mode: Permission bits, with set-id and sticky bits.
        uid: Owner.
        gid: Group.
        size: Length of a file's content, zero for the others.
        target: Where a symbolic link points.
        mtime: Time of the last change of content, seconds since the epoch.
    """

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    mtime: int = 0


class Owner(NamedTuple):
    """Owner of a node: ids, or names that the tree's own passwd and group resolve."""

    uid: Union[int, str] = 0
    gid: Union[int, str] = 0


ROOT = Owner()
