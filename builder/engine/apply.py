"""Applies changes to a copy-on-write tree, and from there to a real one.

All changes of a plan are lowered onto one copy-on-write tree first, so that a change sees what the
ones before it did, a file that three of them edit is written once, and nothing has been touched
when one of them does not fit.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple

from .change import Change
from .document import Entry
from .edit import keep
from .errors import GuestError
from .knowledge import Knowledge
from .ops import FileOp
from .overlay import OverlayTree
from .tree import Tree


class Result(NamedTuple):
    """Result of one entry of a plan: no error, or why it does not fit the tree."""

    entry: Entry
    error: str = ""


def take(change: Change, tree: OverlayTree, known: Knowledge) -> None:
    """Apply a change to a copy-on-write tree.

    Raises:
        GuestError: the tree does not have what the change needs.
    """
    for op in change.lower(tree, known):
        keep(tree, op)


def operations(entries: Iterable[Entry], tree: Tree, known: Knowledge) -> List[FileOp]:
    """Return the file operations that apply every entry to a tree.

    Raises:
        GuestError: an entry does not fit; the message names the key that requested it.
    """
    kept = OverlayTree(tree)
    for entry in entries:
        try:
            take(entry.change, kept, known)
        except GuestError as error:
            said = f"{error} (requested by {entry.origin})"
            raise GuestError(said, hint=error.hint, code=error.code) from error
    return kept.operations()


def apply_all(entries: Iterable[Entry], tree: Tree, known: Knowledge) -> List[FileOp]:
    """Apply every entry to a tree; return the operations."""
    done = operations(entries, tree, known)
    for op in done:
        tree.apply(op)
    return done


def apply_most(entries: Iterable[Entry], tree: Tree, known: Knowledge) -> List[Result]:
    """Apply the entries that fit a tree; the others leave nothing and are reported.

    For an unattended installation, which is better with one thing missing than
    with all.
    """
    kept = OverlayTree(tree)
    results: List[Result] = []
    for entry in entries:
        trial = OverlayTree(kept)
        try:
            take(entry.change, trial, known)
        except GuestError as error:
            results.append(Result(entry, str(error)))
            continue
        for op in trial.operations():
            kept.apply(op)
        results.append(Result(entry))
    return results + _carried_out(kept.operations(), tree)


def _carried_out(ops: Iterable[FileOp], tree: Tree) -> List[Result]:
    """Execute operations; return those that failed."""
    refused: List[Result] = []
    for op in ops:
        try:
            tree.apply(op)
        except (GuestError, OSError) as error:
            refused.append(Result(Entry(op, "the system"), str(error)))
    return refused
