"""A change put onto a copy-on-write tree.

All changes of a plan are lowered onto one such tree first, so that a change sees what the ones
before it did, a file that three of them edit is written once, and nothing has been touched when
one of them does not fit.
"""

from __future__ import annotations

from .change import Change
from .edit import keep
from .knowledge import Knowledge
from .overlay import OverlayTree


def take(change: Change, tree: OverlayTree, known: Knowledge) -> None:
    """Make a change true of a copy-on-write tree.

    Raises:
        GuestError: the tree does not have what the change needs.
    """
    for op in change.lower(tree, known):
        keep(tree, op)
