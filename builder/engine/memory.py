"""A tree held in a dictionary: the reference that the others are tested against."""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Set, Tuple, Union

from .blobs import Blob
from .errors import GuestError
from .nodes import Kind, Node
from .ops import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from .paths import GuestPath, guest, name, parent
from .tree import Tree, ids

_EMPTY = Blob.of(b"")


class MemoryTree(Tree):
    """A tree whose nodes live in memory; content stays where its blob has it."""

    def __init__(self) -> None:
        self.nodes: Dict[GuestPath, Tuple[Node, Blob]] = {
            guest("/"): (Node(Kind.DIRECTORY, 0o755), _EMPTY)
        }
        self._children: Dict[GuestPath, Set[str]] = {guest("/"): set()}

    def lstat(self, path: GuestPath) -> Optional[Node]:
        """Describe ``path``; ``None`` if absent."""
        found = self.nodes.get(path)
        return found[0] if found else None

    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a file's content."""
        found = self.nodes.get(path)
        if found is None or found[0].kind is not Kind.FILE:
            raise GuestError(f"{path} is not a regular file of the base")
        return found[1].chunks()

    def names(self, path: GuestPath) -> List[str]:
        """Return a directory's entries."""
        if path not in self._children:
            raise GuestError(f"{path} is not a directory of the base")
        return sorted(self._children[path])

    def apply(self, op: FileOp) -> None:
        """Carry out one file operation."""
        if isinstance(op, Remove):
            self._remove(op.path)
            return
        if not isinstance(op, MakeDirectory) or op.path not in self._children:
            self._remove(op.path)
        if parent(op.path) not in self._children:
            raise GuestError(f"{parent(op.path)} is not a directory of the base")
        self.nodes[op.path] = _stored(op)
        if op.path != "/":
            self._children[parent(op.path)].add(name(op.path))
        if isinstance(op, MakeDirectory):
            self._children.setdefault(op.path, set())

    def holds_modes(self, path: GuestPath) -> bool:
        """Tell that modes are held."""
        del path
        return True

    def _remove(self, path: GuestPath) -> None:
        """Forget a node and everything below it."""
        for child in sorted(self._children.pop(path, ())):
            self._remove(guest(f"{path}/{child}"))
        if self.nodes.pop(path, None) is not None:
            self._children.get(parent(path), set()).discard(name(path))


def _stored(op: Union[WriteFile, MakeDirectory, MakeSymlink]) -> Tuple[Node, Blob]:
    """Return the node and content that an operation makes."""
    if isinstance(op, WriteFile):
        return Node(Kind.FILE, op.mode, *ids(op.owner), op.content.size), op.content
    if isinstance(op, MakeDirectory):
        return Node(Kind.DIRECTORY, op.mode, *ids(op.owner)), _EMPTY
    return Node(Kind.SYMLINK, 0o777, target=op.target), _EMPTY
