"""A guest's root filesystem as one tree: three verbs to read it, one to change it.

Paths are taken literally; :mod:`builder.roots.resolve` follows symbolic links inside a root.
"""

import hashlib
from collections.abc import Iterator
from typing import Protocol

from builder.changes import FileOp, MakeDirectory, MakeSymlink, Owner, Remove, WriteFile
from builder.errors import GuestError
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath


class Root(Protocol):
    """A root filesystem that can be read and changed."""

    def lstat(self, path: GuestPath) -> Node | None:
        """Describe ``path`` without following it; ``None`` if absent."""
        ...

    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a regular file's content piece by piece; raises ``GuestError`` if it is none."""
        ...

    def names(self, path: GuestPath) -> list[str]:
        """Return a directory's entries, sorted; raises ``GuestError`` if it is none."""
        ...

    def apply(self, op: FileOp) -> None:
        """Carry out one file operation whose parent directory exists."""
        ...

    def holds_modes(self, path: GuestPath) -> bool:
        """Tell whether the filesystem below ``path`` has modes; FAT shows 0755 for everything."""
        ...


def ids(owner: Owner) -> tuple[int, int]:
    """Return numeric owner and group; names have been resolved by then."""
    if isinstance(owner.uid, str) or isinstance(owner.gid, str):
        raise GuestError(f"owner {owner.uid}:{owner.gid} has not been resolved to numbers")
    return owner.uid, owner.gid


def is_true(root: Root, op: FileOp) -> bool:
    """Tell whether ``root`` already is as ``op`` says."""
    node = root.lstat(op.path)
    match op:
        case Remove():
            return node is None
        case MakeSymlink(target=target):
            return node is not None and node.kind is Kind.SYMLINK and node.target == target
        case MakeDirectory():
            return node is not None and _has_attributes(root, op, node, Kind.DIRECTORY)
        case WriteFile(content=content):
            if node is None or not _has_attributes(root, op, node, Kind.FILE):
                return False
            return node.size == content.size and sha256_of(root, op.path) == content.sha256


def _has_attributes(root: Root, op: WriteFile | MakeDirectory, node: Node, kind: Kind) -> bool:
    """Tell whether a node is of a kind, and has the owner and mode that ``op`` wants."""
    mode = op.mode if root.holds_modes(op.path) else node.mode
    return (node.kind, node.mode, node.uid, node.gid) == (kind, mode, *ids(op.owner))


def sha256_of(root: Root, path: GuestPath) -> str:
    """Return the SHA-256 of a regular file's content."""
    digest = hashlib.sha256()
    for piece in root.chunks(path):
        digest.update(piece)
    return digest.hexdigest()
