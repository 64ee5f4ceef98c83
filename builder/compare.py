"""What differs between two trees, path by path."""

from collections.abc import Iterator
from typing import NamedTuple

from builder.engine.tree import Tree, sha256_of
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath, guest, join


class Difference(NamedTuple):
    """One path that is not the same in both trees.

    Attributes:
        sign: ``+`` only in the second, ``-`` only in the first, ``~`` in both, but different.
        path: The path.
        what: What differs, for ``~``.
    """

    sign: str
    path: GuestPath
    what: str


def compare(first: Tree, second: Tree) -> Iterator[Difference]:
    """Yield the differences between two trees, by path; times are not compared."""
    todo = [guest("/")]
    while todo:
        here = todo.pop()
        names = _names(first, here), _names(second, here)
        todo += [join(here, name) for name in sorted(names[0] | names[1], reverse=True)]
        yield from _difference(first, second, here)


def _names(root: Tree, path: GuestPath) -> set[str]:
    """Return what is in a directory; nothing for anything else."""
    node = root.lstat(path)
    return set(root.names(path)) if node is not None and node.kind is Kind.DIRECTORY else set()


def _difference(first: Tree, second: Tree, path: GuestPath) -> Iterator[Difference]:
    """Yield how one path differs, if it does."""
    old, new = first.lstat(path), second.lstat(path)
    if old is None or new is None:
        yield Difference("+" if old is None else "-", path, "")
        return
    what = [*_metadata(old, new)]
    comparable = old.kind is new.kind is Kind.FILE and old.size == new.size
    if comparable and sha256_of(first, path) != sha256_of(second, path):
        what.append("content")
    if what:
        yield Difference("~", path, ", ".join(what))


def _metadata(old: Node, new: Node) -> Iterator[str]:
    """Yield what differs between two nodes, but for time and content."""
    if old.kind is not new.kind:
        yield f"{old.kind} → {new.kind}"
        return
    if old.mode != new.mode:
        yield f"mode {old.mode:04o} → {new.mode:04o}"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield f"owner {old.uid}:{old.gid} → {new.uid}:{new.gid}"
    if old.kind is Kind.FILE and old.size != new.size:
        yield f"size {old.size} → {new.size}"
    if old.target != new.target:
        yield f"target {old.target} → {new.target}"
