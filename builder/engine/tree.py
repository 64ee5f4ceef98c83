"""A root filesystem: three verbs to read it, one to change it; paths are taken literally.

A Photon root is usr-merged: ``/lib`` is a link to ``usr/lib``, so a file for ``/lib/x`` belongs to
``/usr/lib/x``. A link that climbs above the root would reach the machine that builds, if it were
followed naively; :func:`resolve` refuses it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Iterator, Tuple

from .errors import GuestError
from .nodes import Kind, Node, Owner
from .paths import GuestPath, guest

if TYPE_CHECKING:
    from .ops import FileOp

_MOST_LINKS = 40
"""As Linux: path_resolution(7), ELOOP."""


class Tree(ABC):
    """What a plan is applied to."""

    @abstractmethod
    def lstat(self, path: GuestPath) -> Node | None:
        """Describe ``path`` without following it; ``None`` if absent."""

    @abstractmethod
    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a regular file's content piece by piece; refused if it is none."""

    @abstractmethod
    def names(self, path: GuestPath) -> list[str]:
        """Return a directory's entries, sorted; refused if it is none."""

    @abstractmethod
    def apply(self, op: FileOp) -> None:
        """Carry out one file operation whose parent directory exists."""

    @abstractmethod
    def holds_modes(self, path: GuestPath) -> bool:
        """Return whether the filesystem below ``path`` has owners and modes; FAT has neither."""


def ids(owner: Owner) -> Tuple[int, int]:
    """Return numeric owner and group; names have been resolved by then."""
    if isinstance(owner.uid, str) or isinstance(owner.gid, str):
        raise GuestError(f"owner {owner.uid}:{owner.gid} has not been resolved to numbers")
    return owner.uid, owner.gid


def sha256_of(tree: Tree, path: GuestPath) -> str:
    """Return the SHA-256 of a regular file's content."""
    digest = hashlib.sha256()
    for piece in tree.chunks(path):
        digest.update(piece)
    return digest.hexdigest()


def resolve(tree: Tree, path: GuestPath) -> GuestPath:
    """Return ``path`` with every link followed inside the tree, the last component included.

    Components that do not exist are kept as they are. GuestError: a link climbs above the root, or
    links go round in a circle.
    """
    return _walk(tree, path, follow_last=True)


def resolve_parent(tree: Tree, path: GuestPath) -> GuestPath:
    """Return ``path`` with the links on the way followed, but not its last component."""
    return _walk(tree, path, follow_last=False)


def exists(tree: Tree, path: GuestPath) -> bool:
    """Return whether ``path`` leads to something, links followed."""
    return tree.lstat(resolve(tree, path)) is not None


def read_text(tree: Tree, path: GuestPath, *, missing: str | None = None) -> str:
    """Return a text file's content, links followed; bytes that are not UTF-8 survive.

    Raises:
        GuestError: the file is absent and ``missing`` is ``None``.
    """
    real = resolve(tree, path)
    if tree.lstat(real) is None:
        if missing is None:
            raise GuestError(f"the base has no file {path}")
        return missing
    return b"".join(tree.chunks(real)).decode("utf-8", "surrogateescape")


def is_directory(tree: Tree, path: GuestPath) -> bool:
    """Return whether ``path`` itself is a directory."""
    node = tree.lstat(path)
    return node is not None and node.kind is Kind.DIRECTORY


def _walk(tree: Tree, path: GuestPath, *, follow_last: bool) -> GuestPath:
    """Follow the links of ``path`` component by component."""
    todo = path.split("/")[::-1]
    here: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            _climb(here, path)
            continue
        here.append(part)
        node = tree.lstat(guest("/" + "/".join(here)))
        if node is None or node.kind is not Kind.SYMLINK or not (todo or follow_last):
            continue
        links += 1
        if "\0" in node.target:
            raise GuestError(f"{path}: the symbolic link /{'/'.join(here)} holds a NUL byte")
        if links > _MOST_LINKS:
            raise GuestError(f"{path}: its symbolic links go round in a circle")
        here = [] if node.target.startswith("/") else here[:-1]
        todo += node.target.split("/")[::-1]
    return guest("/" + "/".join(here))


def _climb(here: list[str], path: GuestPath) -> None:
    """Go one directory up, but never above the root."""
    if not here:
        raise GuestError(
            f"{path}: a symbolic link on the way climbs above the root of the image",
            hint="write to the place it is meant to lead to",
        )
    here.pop()
