"""What differs between two trees: path by path, and package by package."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from builder.engine.tree import Tree, sha256_of
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath, guest, join
from builder.packages.installed import InstalledPackage, read_installed


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


class PackageDifference(NamedTuple):
    """A package that is not installed in the same version in both trees.

    Attributes:
        change: ``added``, ``removed``, ``upgraded``, ``downgraded``, or ``rebuilt`` at one version.
        name: Its name.
        arch: Its architecture.
        old: Version in the first tree; empty for ``added``.
        new: Version in the second; empty for ``removed``.
    """

    change: str
    name: str
    arch: str
    old: str
    new: str


def compare_packages(first: Tree, second: Tree) -> Iterator[PackageDifference]:
    """Yield the differences between the installed packages of two trees, by name.

    Of a package that can be installed several times, such as a kernel, versions are added and
    removed.

    Raises:
        FormatError: the database of packages of a tree is damaged.
    """
    old, new = set(read_installed(first)), set(read_installed(second))
    changed = sorted(old ^ new, key=lambda p: (p.name, p.arch, p.age))
    for (name, arch), group in groupby(changed, key=lambda p: (p.name, p.arch)):
        found = list(group)
        gone = [package for package in found if package in old]
        come = [package for package in found if package in new]
        if len(gone) == len(come) == 1:
            yield _moved(gone[0], come[0])
            continue
        for package in gone:
            yield PackageDifference("removed", name, arch, package.full_version, "")
        for package in come:
            yield PackageDifference("added", name, arch, "", package.full_version)


def _moved(old: InstalledPackage, new: InstalledPackage) -> PackageDifference:
    """Return how one package became another of its name."""
    change = "rebuilt" if new.age == old.age else "upgraded"
    change = "downgraded" if new.age < old.age else change
    return PackageDifference(change, new.name, new.arch, old.full_version, new.full_version)


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
