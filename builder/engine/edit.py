"""Operations put onto a copy-on-write tree: links followed, parents made, the volatile refused."""

from __future__ import annotations

from typing import Callable, Iterator

from .blobs import Blob
from .change import replace
from .errors import GuestError
from .nodes import ROOT, Kind, Owner
from .ops import FileOp, MakeDirectory, Remove, WriteFile
from .overlay import OverlayTree
from .paths import GuestPath, guest, parent
from .tree import Tree, read_text, resolve, resolve_parent

VOLATILE = tuple(map(guest, ("/run", "/tmp", "/proc", "/sys", "/dev")))  # noqa: S108 - guest paths
"""Directories that another filesystem hides at boot: what is written there is never seen."""


def rewrite(
    tree: Tree,
    path: GuestPath,
    edited: Callable[[str], str],
    *,
    mode: int = 0,
    owner: Owner = ROOT,
) -> Iterator[FileOp]:
    """Yield the write that turns a text file into what ``edited`` makes of it.

    Mode and owner stay as they are; a file that is absent is refused unless ``mode`` says
    how to make it.
    """
    real = resolve(tree, path)
    node = tree.lstat(real)
    if node is not None:
        mode, owner = node.mode, Owner(node.uid, node.gid)
    before = read_text(tree, real, missing="" if mode else None)
    after = edited(before)
    if after != before or node is None:
        yield WriteFile(real, Blob.text(after), mode, owner)


def keep(tree: OverlayTree, op: FileOp) -> None:
    """Apply one operation at the place where its path really leads."""
    path = resolve_parent(tree, op.path)
    node = tree.lstat(path)
    if isinstance(op, MakeDirectory) and node is not None and node.kind is Kind.SYMLINK:
        path = _directory_behind(tree, path)
    refuse_volatile(op.path, path)
    if isinstance(op, Remove) and node is None:
        return
    _make_parents(tree, parent(path))
    tree.apply(replace(op, path=path))


def _directory_behind(tree: Tree, link: GuestPath) -> GuestPath:
    """Return the directory that a link leads to: a link is never replaced by a directory."""
    path = resolve(tree, link)
    node = tree.lstat(path)
    if node is not None and node.kind is not Kind.DIRECTORY:
        raise GuestError(f"{link} leads to {path}, which is no directory")
    return path


def refuse_volatile(asked: GuestPath, path: GuestPath) -> None:
    """Refuse to write where nobody would ever see it."""
    for hidden in VOLATILE:
        if path.startswith(f"{hidden}/"):
            way = f" (by way of {asked})" if asked != path else ""
            raise GuestError(
                f"{path}{way} would never be seen: {hidden} is a fresh filesystem at every boot",
                code="FIL010",
                hint="for files made at boot write a tmpfiles.d(5) line instead",
            )


def _make_parents(tree: OverlayTree, path: GuestPath) -> None:
    """Make the directories on the way that are missing, root's and 0755."""
    node = tree.lstat(path)
    if node is not None and node.kind is not Kind.DIRECTORY:
        raise GuestError(f"{path} is a {node.kind} in the base, and a directory is wanted there")
    if node is None:
        _make_parents(tree, parent(path))
        tree.apply(MakeDirectory(path))
