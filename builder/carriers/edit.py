"""Carry a plan by editing a root.

All changes are lowered onto a copy-on-write root first, so that a change sees what the ones
before it did, a file that three of them edit is written once, and nothing has been touched
when one of them does not fit the base.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.carriers.knowledge import BuildersKnowledge
from builder.changes import FileOp
from builder.engine.apply import take
from builder.engine.overlay import OverlayTree
from builder.engine.tree import Tree
from builder.errors import FormatError, GuestError
from builder.plan import Step


def operations(root: Tree, steps: Iterable[Step], timestamp: int) -> list[FileOp]:
    """Return the file operations that would make every step true of ``root``.

    Args:
        root: Read, not changed.
        steps: The plan's steps, in canonical order.
        timestamp: Time of the build, seconds since the epoch; ageing of passwords counts from it.

    Raises:
        GuestError: a step does not fit the base; its notes name the key that asked.
    """
    kept, known = OverlayTree(root), BuildersKnowledge(timestamp)
    for step in steps:
        try:
            take(step.change, kept, known)
        except GuestError as error:
            error.add_note(f"asked for by {step}")
            raise
    return kept.operations()


def edit(root: Tree, steps: Iterable[Step], timestamp: int) -> list[FileOp]:
    """Make every step true of ``root`` and return what had to be done."""
    done = operations(root, steps, timestamp)
    for op in done:
        root.apply(op)
    return done


@contextmanager
def in_disk_of(base: Path) -> Iterator[None]:
    """Let what is found wrong with a disk say which file it was in."""
    try:
        yield
    except FormatError as error:
        error.add_note(f"in the disk of {base.name}")
        raise
