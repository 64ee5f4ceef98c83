"""Changes put onto a copy-on-write tree, and from there onto a real one.

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
    """What came of one entry of a plan: no error, or why it does not fit the tree."""

    entry: Entry
    error: str = ""


def take(change: Change, tree: OverlayTree, known: Knowledge) -> None:
    """Make a change true of a copy-on-write tree.

    Raises:
        GuestError: the tree does not have what the change needs.
    """
    for op in change.lower(tree, known):
        keep(tree, op)


def operations(entries: Iterable[Entry], tree: Tree, known: Knowledge) -> List[FileOp]:
    """Return the file operations that would make every entry true of a tree.

    Raises:
        GuestError: one does not fit; it names the key that asked.
    """
    kept = OverlayTree(tree)
    for entry in entries:
        try:
            take(entry.change, kept, known)
        except GuestError as error:
            said = f"{error} (asked for by {entry.origin})"
            raise GuestError(said, hint=error.hint, code=error.code) from error
    return kept.operations()


def apply_all(entries: Iterable[Entry], tree: Tree, known: Knowledge) -> List[FileOp]:
    """Make every entry true of a tree; return what had to be done."""
    done = operations(entries, tree, known)
    for op in done:
        tree.apply(op)
    return done


def apply_most(entries: Iterable[Entry], tree: Tree, known: Knowledge) -> List[Result]:
    """Make true of a tree what fits it: what does not leaves nothing, and is told with the rest.

    For an installation, which nobody watches, and which is better with one thing missing than
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
    """Carry operations out; return those that the system refused."""
    refused: List[Result] = []
    for op in ops:
        try:
            tree.apply(op)
        except (GuestError, OSError) as error:
            refused.append(Result(Entry(op, "the system"), str(error)))
    return refused
