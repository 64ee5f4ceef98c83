"""Whatever a tree looks like and whatever is done to it, a copy-on-write root tells the truth."""

import contextlib
import io
import random
import tarfile

import pytest

from builder.blob import Blob
from builder.carriers.layer import write_layer
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Owner, Remove, WriteFile
from builder.errors import GuestError
from builder.formats.filesystem import Kind
from builder.guestpath import GuestPath, guest, join
from builder.roots import Root
from builder.roots.memory import MemoryRoot
from builder.roots.overlay import OverlayRoot
from tests.support.roots import walk

NAMES = ("a", "b", "etc", "lib", "x y", "\udcff", "ü")
TARGETS = ("a", "../b", "/etc", "../../..", "/", "x y", "loop", "/lib/a", "../etc/a", ".")
OPERATIONS = 12


def grow(dice: random.Random) -> MemoryRoot:
    """Return a random tree: links that loop, climb and dangle, set-id bits, odd names."""
    root = MemoryRoot()
    folders = [guest("/")]
    for _ in range(dice.randrange(4, 30)):
        path = join(dice.choice(folders), dice.choice(NAMES))
        if root.lstat(path) is None:
            op = made_at(path, dice)
            root.apply(op)
            folders += [path] if isinstance(op, MakeDirectory) else []
    return root


def made_at(path: GuestPath, dice: random.Random) -> FileOp:
    """Return something that may be made."""
    owner = Owner(dice.randrange(3), dice.randrange(3))
    match dice.randrange(3):
        case 0:
            return MakeDirectory(path, dice.choice((0o755, 0o700, 0o1777)), owner)
        case 1:
            content = Blob.text(dice.choice(("", "a\nb", "b\n")))
            return WriteFile(path, content, dice.choice((0o644, 0o4755, 0o000)), owner)
        case _:
            return MakeSymlink(path, dice.choice(TARGETS))


def everything(root: Root, path: GuestPath = guest("/")) -> list[GuestPath]:  # noqa: B008 - a constant
    """Return every path of a tree."""
    found = [path]
    for name in root.names(path):
        at = join(path, name)
        node = root.lstat(at)
        found += everything(root, at) if node and node.kind is Kind.DIRECTORY else [at]
    return found


def change(root: Root, dice: random.Random) -> None:
    """Do something to a tree that is there, or beside it; what does not fit is refused."""
    path = dice.choice(everything(root))
    if path == "/" or dice.random() < 0.4:
        path = join(path, dice.choice(NAMES))
    op = Remove(path) if dice.random() < 0.4 else made_at(path, dice)
    with contextlib.suppress(GuestError):
        root.apply(op)


@pytest.mark.parametrize("seed", range(300))
def test_what_was_kept_makes_the_base_what_the_overlay_shows(seed: int) -> None:
    dice = random.Random(seed)
    base = grow(dice)
    overlay = OverlayRoot(base)
    for _ in range(OPERATIONS):
        change(overlay, dice)
    shown, kept = walk(overlay), overlay.operations()
    for op in kept:
        base.apply(op)
    assert walk(base) == shown
    again = OverlayRoot(base)
    for op in kept:
        again.apply(op)
    assert [op for op in again.operations() if not isinstance(op, Remove)] == []


@pytest.mark.parametrize("seed", range(300))
def test_nothing_is_removed_twice(seed: int) -> None:
    dice = random.Random(seed)
    overlay = OverlayRoot(grow(dice))
    for _ in range(OPERATIONS):
        change(overlay, dice)
    removed = [op.path for op in overlay.operations() if isinstance(op, Remove)]
    assert [p for p in removed if any(p.startswith(f"{above}/") for above in removed)] == []


def test_a_layer_names_a_removed_folder_alone() -> None:
    root = MemoryRoot()
    root.apply(MakeDirectory(guest("/a")))
    root.apply(WriteFile(guest("/a/b"), Blob.text("x")))
    overlay = OverlayRoot(root)
    overlay.apply(Remove(guest("/a/b")))
    overlay.apply(Remove(guest("/a")))
    out = io.BytesIO()
    write_layer(out, overlay.operations(), mtime=0)
    out.seek(0)
    with tarfile.open(fileobj=out) as layer:
        assert layer.getnames() == [".wh.a"]
