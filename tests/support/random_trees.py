"""Random trees, and what must be true of them; written for the engine's oldest Python, too."""

from __future__ import annotations

import random
import tempfile
from contextlib import suppress
from pathlib import Path

from builder.engine import kinds
from builder.engine.apply import apply_most
from builder.engine.blobs import Blob
from builder.engine.change import Change
from builder.engine.directory import DirectoryTree
from builder.engine.document import Entry
from builder.engine.errors import GuestError
from builder.engine.knowledge import Knowledge
from builder.engine.memory import MemoryTree
from builder.engine.nodes import Kind, Owner
from builder.engine.ops import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from builder.engine.overlay import OverlayTree
from builder.engine.paths import GuestPath, guest, join
from builder.engine.tree import Tree

NAMES = ("a", "b", "etc", "lib", "x y", "\udcff", "ü")
TARGETS = ("a", "../b", "/etc", "../../..", "/", "x y", "loop", "/lib/a", "../etc/a", ".")
OPERATIONS = 12
TOP = guest("/")


def rows(tree: Tree, path: GuestPath = TOP) -> dict[str, tuple[object, ...]]:
    """Return all that a tree says of everything below a path."""
    found: dict[str, tuple[object, ...]] = {}
    for name in tree.names(path):
        at = join(path, name)
        node = tree.lstat(at)
        assert node is not None
        content = b"".join(tree.chunks(at)) if node.kind is Kind.FILE else b""
        found[at] = (str(node.kind), node.mode, node.uid, node.gid, node.target, content)
        if node.kind is Kind.DIRECTORY:
            found.update(rows(tree, at))
    return found


def grow(tree: Tree, dice: random.Random) -> None:
    """Fill a tree: links that loop, climb and dangle, set-id bits, names that are not UTF-8."""
    folders = [TOP]
    for _ in range(dice.randrange(4, 30)):
        path = join(dice.choice(folders), dice.choice(NAMES))
        if tree.lstat(path) is None:
            op = made_at(path, dice)
            tree.apply(op)
            folders += [path] if isinstance(op, MakeDirectory) else []


def made_at(path: GuestPath, dice: random.Random) -> FileOp:
    """Return something that may be made."""
    owner = Owner(dice.randrange(3), dice.randrange(3))
    what = dice.randrange(3)
    if what == 0:
        return MakeDirectory(path, dice.choice((0o755, 0o700, 0o1777)), owner)
    if what == 1:
        content = Blob.text(dice.choice(("", "a\nb", "b\n")))
        return WriteFile(path, content, dice.choice((0o644, 0o4755, 0o000)), owner)
    return MakeSymlink(path, dice.choice(TARGETS))


def change(tree: Tree, dice: random.Random) -> None:
    """Do something to a tree, at what is there or beside it; what does not fit is refused."""
    path = guest(dice.choice([TOP, *rows(tree)]))
    if path == TOP or dice.random() < 0.4:
        path = join(TOP if path not in rows(tree) else path, dice.choice(NAMES))
    with suppress(GuestError):
        tree.apply(Remove(path) if dice.random() < 0.4 else made_at(path, dice))


def changed(seed: int) -> tuple[MemoryTree, OverlayTree]:
    """Return a random tree, and an overlay of it that was changed."""
    dice = random.Random(seed)
    base = MemoryTree()
    grow(base, dice)
    overlay = OverlayTree(base)
    for _ in range(OPERATIONS):
        change(overlay, dice)
    return base, overlay


def check_overlay(seed: int) -> None:
    """What an overlay kept makes its base what it shows."""
    base, overlay = changed(seed)
    shown, kept = rows(overlay), overlay.operations()
    for op in kept:
        base.apply(op)
    assert rows(base) == shown


def check_removals(seed: int) -> None:
    """Nothing is removed along with what is above it and once more by itself."""
    removed = [op.path for op in changed(seed)[1].operations() if isinstance(op, Remove)]
    for path in removed:
        assert not any(path.startswith(f"{above}/") for above in removed), removed


def any_path(dice: random.Random) -> GuestPath:
    """Return a path, of something that is there or not."""
    return guest("/" + "/".join(dice.choice(NAMES) for _ in range(dice.randrange(1, 4))))


def wish(dice: random.Random) -> Change:
    """Return a change of any kind that needs no other file."""
    path, owner = any_path(dice), Owner(dice.randrange(3), dice.randrange(3))
    unless, before = dice.choice((None, any_path(dice))), dice.choice((None, "", "a"))
    wishes = (
        WriteFile(path, Blob.text(dice.choice("xyz")), 0o640, owner, unless=unless),
        MakeDirectory(path, 0o750, owner),
        MakeSymlink(path, dice.choice(TARGETS)),
        Remove(path),
        kinds.EnsureLine(path, dice.choice("abc"), before, dice.choice(("", "^a"))),
        kinds.ReplaceText(guest(f"{path}*"), "a", "c"),
        kinds.Require(path, "missing", "X001"),
    )
    return dice.choice(wishes)


def check_same(tree: Tree, seed: int) -> None:
    """A plan leaves an empty tree as it leaves one in memory, and has the same things refused."""
    dice = random.Random(seed)
    memory = MemoryTree()
    for each in (memory, tree):
        grow(each, random.Random(seed))
    assert rows(tree) == rows(memory)
    entries = [Entry(wish(dice), "test") for _ in range(OPERATIONS)]
    refused = [
        [bool(result.error) for result in apply_most(entries, each, Knowledge(0))]
        for each in (memory, tree)
    ]
    assert refused[0] == refused[1]
    assert rows(tree) == rows(memory)


def check_folder(seed: int) -> None:
    """The same of a folder of this machine, and nothing outside of it changes; root only."""
    with tempfile.TemporaryDirectory() as name:
        above = Path(name)
        (above / "outside").write_text("untouched")
        (above / "root").mkdir(mode=0o755)
        folder = DirectoryTree(str(above / "root"))
        check_same(folder, seed)
        folder.close()
        assert (above / "outside").read_text() == "untouched"
        assert sorted(path.name for path in above.iterdir()) == ["outside", "root"]
