"""Carry a plan by editing a root.

All changes are lowered onto a copy-on-write root first, so that a change sees what the ones
before it did, a file that three of them edit is written once, and nothing has been touched
when one of them does not fit the base.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.carriers.lower import lower
from builder.changes import FileOp, MakeDirectory, Remove
from builder.errors import FormatError, GuestError
from builder.formats.filesystem import Kind
from builder.guestpath import GuestPath, guest, parent
from builder.plan import Step
from builder.roots import Root
from builder.roots.overlay import OverlayRoot
from builder.roots.resolve import resolve, resolve_parent
from builder.structs import replace

VOLATILE = tuple(map(guest, ("/run", "/tmp", "/proc", "/sys", "/dev")))  # noqa: S108 - guest paths
"""Directories that another filesystem hides at boot: what is written there is never seen."""


def operations(root: Root, steps: Iterable[Step], timestamp: int) -> list[FileOp]:
    """Return the file operations that would make every step true of ``root``.

    Args:
        root: Read, not changed.
        steps: The plan's steps, in canonical order.
        timestamp: Time of the build, seconds since the epoch; ageing of passwords counts from it.

    Raises:
        GuestError: a step does not fit the base; its notes name the key that asked.
    """
    kept = OverlayRoot(root)
    for step in steps:
        try:
            for op in lower(step.change, kept, timestamp):
                _keep(kept, op)
        except GuestError as error:
            error.add_note(f"asked for by {step}")
            raise
    return kept.operations()


def edit(root: Root, steps: Iterable[Step], timestamp: int) -> list[FileOp]:
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


def _keep(root: OverlayRoot, op: FileOp) -> None:
    """Apply one operation at the place where its path really leads."""
    path = resolve_parent(root, op.path)
    node = root.lstat(path)
    if isinstance(op, MakeDirectory) and node is not None and node.kind is Kind.SYMLINK:
        path = _directory_behind(root, path)
    _refuse_volatile(op.path, path)
    if isinstance(op, Remove) and node is None:
        return
    _make_parents(root, parent(path))
    root.apply(replace(op, path=path))


def _directory_behind(root: Root, link: GuestPath) -> GuestPath:
    """Return the directory that a link leads to: a link is never replaced by a directory."""
    path = resolve(root, link)
    node = root.lstat(path)
    if node is not None and node.kind is not Kind.DIRECTORY:
        raise GuestError(f"{link} leads to {path}, which is no directory")
    return path


def _refuse_volatile(asked: GuestPath, path: GuestPath) -> None:
    """Refuse to write where nobody would ever see it."""
    for hidden in VOLATILE:
        if path.startswith(f"{hidden}/"):
            way = f" (by way of {asked})" if asked != path else ""
            raise GuestError(
                f"{path}{way} would never be seen: {hidden} is a fresh filesystem at every boot",
                code="FIL010",
                hint="for files made at boot write a tmpfiles.d(5) line instead",
            )


def _make_parents(root: OverlayRoot, path: GuestPath) -> None:
    """Make the directories on the way that are missing, root's and 0755."""
    node = root.lstat(path)
    if node is not None and node.kind is not Kind.DIRECTORY:
        raise GuestError(f"{path} is a {node.kind} in the base, and a directory is wanted there")
    if node is None:
        _make_parents(root, parent(path))
        root.apply(MakeDirectory(path))
