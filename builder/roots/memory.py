"""A root held in a dictionary: the reference that the other roots are tested against."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from builder.errors import GuestError
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath, guest, parent
from builder.roots import ids

_PIECE = 1 << 20
_EMPTY = Blob.of(b"")


class MemoryRoot:
    """A root whose nodes live in memory; content stays where its blob has it."""

    def __init__(self) -> None:
        self.nodes: dict[GuestPath, tuple[Node, Blob]] = {
            guest("/"): (Node(Kind.DIRECTORY, 0o755), _EMPTY)
        }
        self._children: dict[GuestPath, set[str]] = {guest("/"): set()}

    def lstat(self, path: GuestPath) -> Node | None:
        """Describe ``path``; ``None`` if absent."""
        found = self.nodes.get(path)
        return found[0] if found else None

    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a file's content."""
        found = self.nodes.get(path)
        if found is None or found[0].kind is not Kind.FILE:
            raise GuestError(f"{path} is not a regular file of the base")
        with found[1].open() as stream:
            while piece := stream.read(_PIECE):
                yield piece

    def names(self, path: GuestPath) -> list[str]:
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
        self._children[parent(op.path)].add(op.path.rpartition("/")[2])
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
            self._children.get(parent(path), set()).discard(path.rpartition("/")[2])


def _stored(op: WriteFile | MakeDirectory | MakeSymlink) -> tuple[Node, Blob]:
    """Return the node and content that ``op`` makes."""
    match op:
        case WriteFile(content=content, mode=mode, owner=owner):
            return Node(Kind.FILE, mode, *ids(owner), content.size), content
        case MakeDirectory(mode=mode, owner=owner):
            return Node(Kind.DIRECTORY, mode, *ids(owner)), _EMPTY
        case MakeSymlink(target=target):
            return Node(Kind.SYMLINK, 0o777, target=target), _EMPTY
