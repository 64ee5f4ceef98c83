"""A copy-on-write tree: reads fall through to a base, changes are kept apart.

It has nothing to do with Linux's overlayfs. What it kept is what has to be written to a
disk, and what a container layer or an installer's payload holds.
"""

from __future__ import annotations

from typing import Container, Dict, Iterator, List, Optional, Set

from .errors import GuestError
from .memory import MemoryTree
from .nodes import Kind, Node
from .ops import FileOp, MakeDirectory, Remove, is_true
from .paths import GuestPath, join, parent
from .tree import Tree


class OverlayTree(Tree):
    """A tree whose changes are kept apart from ``base``, one operation for a path."""

    def __init__(self, base: Tree) -> None:
        self.base = base
        self._upper = MemoryTree()
        self._kept: Dict[GuestPath, FileOp] = {}
        self._removed: Set[GuestPath] = set()
        self._looked_up: Dict[GuestPath, Optional[Node]] = {}
        self._listed: Dict[GuestPath, List[str]] = {}

    def lstat(self, path: GuestPath) -> Optional[Node]:
        """Describe ``path`` as changed."""
        if path in self._kept:
            return self._upper.lstat(path)
        return None if self._is_hidden(path) else self._base_lstat(path)

    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a file's content as changed."""
        if path in self._kept:
            return self._upper.chunks(path)
        if self._is_hidden(path):
            raise GuestError(f"{path} has been removed")
        return self.base.chunks(path)

    def names(self, path: GuestPath) -> List[str]:
        """Return a directory's entries as changed."""
        node = self.lstat(path)
        if node is None or node.kind is not Kind.DIRECTORY:
            raise GuestError(f"{path} is not a directory of the base")
        below = self._base_names(path)
        above = [] if self._upper.lstat(path) is None else self._upper.names(path)
        return sorted({*above, *below}) if above else below

    def apply(self, op: FileOp) -> None:
        """Keep one file operation; a later one on the same path replaces it."""
        if isinstance(op, Remove):
            self._forget(op.path)
            self._removed.add(op.path)
            return
        self._refuse_other_kind(op)
        self._make_parents(op.path)
        self._upper.apply(op)
        self._kept[op.path] = op

    def holds_modes(self, path: GuestPath) -> bool:
        """Tell what the base tells."""
        return self.base.holds_modes(path)

    def operations(self) -> List[FileOp]:
        """Return what differs from the base: removals first, then by path."""
        gone = {path for removed in self._removed for path in self._gone(removed)}
        tops = sorted(path for path in gone if not _is_within(parent(path), gone))
        made = [op for _, op in sorted(self._kept.items()) if not self._stands(op, gone)]
        return [*map(Remove, tops), *made]

    def _gone(self, path: GuestPath) -> Iterator[GuestPath]:
        """Yield what has to go of a removed path: all that was not made again since."""
        old, new = self._base_lstat(path), self._kept.get(path)
        if old is None:
            return
        is_directory = old.kind is Kind.DIRECTORY
        if new is None or is_directory != isinstance(new, MakeDirectory):
            yield path
        elif is_directory:
            for name in self.base.names(path):
                yield from self._gone(join(path, name))

    def _base_names(self, path: GuestPath) -> List[str]:
        """Return the entries that a directory still has of the base's."""
        known = None if self._is_hidden(path) else self._base_lstat(path)
        if known is None or known.kind is not Kind.DIRECTORY:
            return []
        if path not in self._listed:
            self._listed[path] = self.base.names(path)
        names = self._listed[path]
        return (
            [n for n in names if join(path, n) not in self._removed] if self._removed else [*names]
        )

    def _base_lstat(self, path: GuestPath) -> Optional[Node]:
        """Describe ``path`` of the base, which does not change: every path is looked up once."""
        if path not in self._looked_up:
            above = None if path == "/" else self._base_lstat(parent(path))
            absent = path != "/" and (above is None or above.kind is not Kind.DIRECTORY)
            self._looked_up[path] = None if absent else self.base.lstat(path)
        return self._looked_up[path]

    def _stands(self, op: FileOp, gone: Container[GuestPath]) -> bool:
        """Return whether the base, without what is gone, already is as ``op`` says."""
        return not _is_within(op.path, gone) and is_true(self.base, op)

    def _forget(self, path: GuestPath) -> None:
        """Drop what is kept at and below ``path``."""
        self._upper.apply(Remove(path))
        for kept in [k for k in self._kept if k == path or k.startswith(f"{path}/")]:
            del self._kept[kept]

    def _refuse_other_kind(self, op: FileOp) -> None:
        """Refuse to put a file or a link where a directory is, or the reverse."""
        node = self.lstat(op.path)
        if node is None or (node.kind is Kind.DIRECTORY) == isinstance(op, MakeDirectory):
            return
        wanted = "directory" if isinstance(op, MakeDirectory) else "file or a link"
        raise GuestError(
            f"{op.path} is a {node.kind} in the base, and the spec wants a {wanted} there",
            hint="remove it first: files: [{path: …, absent: true}], or choose another path",
        )

    def _make_parents(self, path: GuestPath) -> None:
        """Mirror the directories above ``path`` in the upper tree."""
        above = parent(path)
        if self._upper.lstat(above) is not None:
            return
        self._make_parents(above)
        node = self.lstat(above)
        if node is None or node.kind is not Kind.DIRECTORY:
            raise GuestError(f"{above} is not a directory of the base")
        self._upper.apply(MakeDirectory(above))

    def _is_hidden(self, path: GuestPath) -> bool:
        """Return whether ``path`` or a directory above it was removed from the base."""
        return bool(self._removed) and _is_within(path, self._removed)


def _is_within(path: GuestPath, places: Container[GuestPath]) -> bool:
    """Return whether a path, or a directory above it, is one of ``places``."""
    while path != "/":
        if path in places:
            return True
        path = parent(path)
    return False
