"""The tree that the layers of a container image make together.

Format: OCI Image Format Specification 1.1, "Image Layer Filesystem Changeset": a member replaces
what is below at its path, ``.wh.NAME`` removes NAME, ``.wh..wh..opq`` what lower layers have
in its folder. Layers are indexed once, and their content stays where it is.
"""

import io
import os
import posixpath
import tarfile
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from builder.engine.blobs import Blob
from builder.engine.memory import MemoryTree
from builder.engine.nodes import Kind, Node
from builder.engine.paths import GuestPath, guest, join, name, parent
from builder.errors import FormatError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_NOTHING = Blob.of(b"")
_PERMISSIONS = 0o7777


class LayersTree(MemoryTree):
    """A tree to which layers are added from the lowest up."""

    def add_layer(self, file: BinaryIO, origin: str) -> None:
        """Put a layer on top.

        Args:
            file: The unpacked archive; it stays open as long as the tree is read.
            origin: What messages call the layer.

        Raises:
            FormatError: it is not a tar archive, or links to what no layer has.
        """
        before = set(self.nodes)
        try:
            with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive:
                for member in archive:
                    self._add(member, file, before, origin)
        except tarfile.TarError as error:
            raise FormatError(f"{origin}: {error}") from error

    def _add(
        self, member: tarfile.TarInfo, file: BinaryIO, before: set[GuestPath], origin: str
    ) -> None:
        """Put one member on top of what is there."""
        path = _path_of(member.name, origin)
        if path == "/":
            self.nodes[path] = (_node(member), _NOTHING)
            return
        self._make_parents(path)
        base = name(path)
        if base == _OPAQUE:
            for child in self.names(parent(path)):
                if join(parent(path), child) in before:
                    self._remove(join(parent(path), child))
        elif base.startswith(_WHITEOUT):
            self._remove(join(parent(path), base.removeprefix(_WHITEOUT)))
        elif member.islnk():
            self._put(path, *self._linked(member, origin))
        else:
            self._put(path, _node(member), _content(member, file))

    def _put(self, path: GuestPath, node: Node, content: Blob) -> None:
        """Make a node; a folder that is there keeps what is in it."""
        is_kept = node.kind is Kind.DIRECTORY and path in self._children
        if not is_kept:
            self._remove(path)
        self.nodes[path] = (node, content)
        self._children[parent(path)].add(name(path))
        if node.kind is Kind.DIRECTORY:
            self._children.setdefault(path, set())

    def _make_parents(self, path: GuestPath) -> None:
        """Make the folders that a layer implies: root's, as dockerd makes them."""
        above = parent(path)
        if above not in self._children:
            self._make_parents(above)
            self._put(above, Node(Kind.DIRECTORY, 0o755), _NOTHING)

    def _linked(self, member: tarfile.TarInfo, origin: str) -> tuple[Node, Blob]:
        """Return what a hard link leads to."""
        found = self.nodes.get(_path_of(member.linkname, origin))
        if found is None:
            raise FormatError(
                f"{origin}: {member.name} links to {member.linkname}, which is absent"
            )
        return found


def _path_of(text: str, origin: str) -> GuestPath:
    """Return the path of a member, whose name may begin with ``./`` or ``/``."""
    path = posixpath.normpath(f"/{text}".replace("//", "/"))
    if ".." in text.split("/"):
        raise FormatError(f"{origin}: {text!r} leads out of the image")
    return guest(path)


def _node(member: tarfile.TarInfo) -> Node:
    """Return what a member is."""
    mode, owner = member.mode & _PERMISSIONS, (member.uid, member.gid)
    if member.isreg():
        return Node(Kind.FILE, mode, *owner, member.size, mtime=int(member.mtime))
    if member.isdir():
        return Node(Kind.DIRECTORY, mode, *owner, mtime=int(member.mtime))
    if member.issym():
        return Node(Kind.SYMLINK, 0o777, *owner, target=member.linkname, mtime=int(member.mtime))
    return Node(Kind.OTHER, mode, *owner)


def _content(member: tarfile.TarInfo, file: BinaryIO) -> Blob:
    """Return the content of a file, which is read when it is asked for."""
    if not member.isreg():
        return _NOTHING
    return Blob("", member.size, partial(_open, file, member.offset_data, member.size))


def _open(file: BinaryIO, offset: int, size: int) -> BinaryIO:
    return io.BufferedReader(Range(file.fileno(), offset, size))


class Range(io.RawIOBase):
    """A part of a file; several are read without disturbing each other.

    Args:
        fd: The file.
        offset: Where the part begins.
        size: Bytes of it.
    """

    def __init__(self, fd: int, offset: int, size: int) -> None:
        super().__init__()
        self._fd = fd
        self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the whole file."""
        return self._fd

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read the next bytes; none at the end of the part."""
        view = memoryview(buffer)[: max(self._end - self._at, 0)]
        count = os.preadv(self._fd, [view], self._at)
        self._at += count
        return count
