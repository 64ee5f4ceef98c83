"""Every kind of root behaves as the one in memory: the same operations give the same tree."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Owner, Remove, WriteFile
from builder.engine.memory import MemoryTree
from builder.engine.ops import is_true
from builder.engine.overlay import OverlayTree
from builder.engine.tree import Tree, exists, ids, read_text, resolve, resolve_parent
from builder.errors import GuestError
from builder.formats.disk import MIB, FileDisk
from builder.formats.ext4 import Ext4
from builder.formats.fat import Fat
from builder.guestpath import GuestPath, guest
from builder.roots.mounted import MountedRoot
from tests.support.judges import judge
from tests.support.roots import link, make, put, text_of, walk

Open = Callable[[Path, ExitStack], Tree]


def memory(_: Path, __: ExitStack) -> MemoryTree:
    return MemoryTree()


def overlay(_: Path, __: ExitStack) -> OverlayTree:
    return OverlayTree(MemoryTree())


def _disk(path: Path, stack: ExitStack, size: int, *maker: str) -> FileDisk:
    with path.open("wb") as stream:
        stream.truncate(size)
    judge(*maker, path)
    return stack.enter_context(FileDisk(path, writable=True))


def ext4(folder: Path, stack: ExitStack) -> MountedRoot:
    disk = _disk(folder / "ext4", stack, 8 * MIB, "mke2fs", "-q", "-t", "ext4", "-E", "root_owner")
    return MountedRoot({guest("/"): Ext4(disk, 0, timestamp=0, name="ext4")})


def two_ext4(folder: Path, stack: ExitStack) -> MountedRoot:
    """A root and a second filesystem mounted at /usr."""
    second = _disk(folder / "usr", stack, 8 * MIB, "mke2fs", "-q", "-t", "ext4", "-E", "root_owner")
    root = ext4(folder, stack)
    root.apply(MakeDirectory(guest("/usr")))
    usr = Ext4(second, 0, timestamp=0, name="usr")
    return MountedRoot({**root.mounts, guest("/usr"): usr})


def fat(folder: Path, stack: ExitStack) -> MountedRoot:
    disk = _disk(folder / "fat", stack, 8 * MIB, "mkfs.fat", "-F", "16", "-s", "1")
    return MountedRoot({guest("/"): Fat(disk, 0, timestamp=0, name="fat")})


def over_ext4(folder: Path, stack: ExitStack) -> OverlayTree:
    return OverlayTree(ext4(folder, stack))


ROOTS: dict[str, Open] = {
    "memory": memory,
    "overlay": overlay,
    "ext4": ext4,
    "two ext4": two_ext4,
    "overlay over ext4": over_ext4,
}
WITH_FAT: dict[str, Open] = {**ROOTS, "fat": fat}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def write(path: str, text: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> WriteFile:
    return WriteFile(guest(path), Blob.text(text), mode, Owner(uid, gid))


STEPS: dict[str, tuple[FileOp, ...]] = {
    "a file": (write("/etc", "x", 0o600, 7, 8),),
    "an empty file": (write("/empty", ""),),
    "a file again": (write("/a", "one"), write("/a", "two, and longer", 0o755)),
    "set-id": (write("/su", "x", 0o4755), MakeDirectory(guest("/tmp"), 0o1777)),
    "large owners": (write("/a", "x", 0o640, 70_000, 80_000),),
    "a directory": (MakeDirectory(guest("/d"), 0o750, Owner(1, 2)), write("/d/f", "x")),
    "a directory again": (
        MakeDirectory(guest("/d")), write("/d/f", "x"), MakeDirectory(guest("/d"), 0o700),
    ),
    "a link": (MakeSymlink(guest("/l"), "../anywhere"),),
    "a long link": (MakeSymlink(guest("/l"), "/long" * 50),),
    "a link again": (MakeSymlink(guest("/l"), "a"), MakeSymlink(guest("/l"), "b")),
    "a file for a link": (MakeSymlink(guest("/l"), "a"), write("/l", "x")),
    "a link for a file": (write("/l", "x"), MakeSymlink(guest("/l"), "a")),
    "removed": (write("/a", "x"), Remove(guest("/a"))),
    "nothing removed": (Remove(guest("/nothing/at/all")), write("/a", "x")),
    "a tree removed": (
        MakeDirectory(guest("/d")), MakeDirectory(guest("/d/e")), write("/d/e/f", "x"),
        MakeSymlink(guest("/d/l"), "e"), Remove(guest("/d")),
    ),
    "removed and made again": (
        MakeDirectory(guest("/d")), write("/d/old", "x"), Remove(guest("/d")),
        MakeDirectory(guest("/d"), 0o711), write("/d/new", "y"),
    ),
    "names": (write("/na\u00efve", "x"), write("/with space", "y"), write("/" + "n" * 255, "z")),
    "across /usr": (
        MakeDirectory(guest("/usr")), MakeDirectory(guest("/usr/lib")), write("/usr/lib/a", "x"),
        MakeSymlink(guest("/lib"), "usr/lib"),
    ),
}  # fmt: skip


def tree(root: Tree) -> dict[str, tuple[str, int, int, int, str]]:
    """Return what is in a root, without what mke2fs and the second root put there."""
    found = walk(root)
    return {path: facts for path, facts in found.items() if path not in {"/lost+found", "/usr"}
            and path != "/usr/lost+found"}  # fmt: skip


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("kind", [kind for kind in ROOTS if kind != "memory"])
def test_the_same_operations_give_the_same_tree(
    kind: str, case: str, tmp_path: Path, stack: ExitStack
) -> None:
    reference = MemoryTree()
    root = ROOTS[kind](tmp_path, stack)
    for op in STEPS[case]:
        reference.apply(op)
        root.apply(op)
        assert is_true(root, op) == is_true(reference, op)
    assert tree(root) == tree(reference)


@pytest.mark.parametrize("kind", WITH_FAT)
def test_what_is_absent_is_none_and_what_is_no_file_is_an_error(
    kind: str, tmp_path: Path, stack: ExitStack
) -> None:
    root = WITH_FAT[kind](tmp_path, stack)
    make(root, "/D")
    put(root, "/F", "x")
    for absent in ("/NO", "/NO/NO", "/F/NO"):
        assert root.lstat(guest(absent)) is None
    for path, verb in (("/D", root.chunks), ("/NO", root.chunks), ("/F", root.names)):
        with pytest.raises(GuestError):
            list(verb(guest(path)))


@pytest.mark.parametrize("kind", WITH_FAT)
def test_a_file_needs_its_directory(kind: str, tmp_path: Path, stack: ExitStack) -> None:
    root = WITH_FAT[kind](tmp_path, stack)
    put(root, "/F", "x")
    for path in ("/NO/F", "/F/F"):
        with pytest.raises(GuestError):
            root.apply(write(path, "x"))


@pytest.mark.parametrize("kind", WITH_FAT)
def test_names_are_sorted_and_complete(kind: str, tmp_path: Path, stack: ExitStack) -> None:
    root = WITH_FAT[kind](tmp_path, stack)
    make(root, "/D")
    wanted = [f"NAME{number:03}" for number in range(150)]
    for name in reversed(wanted):
        put(root, f"/D/{name}", name)
    assert root.names(guest("/D")) == wanted


def test_modes_are_not_expected_of_fat(tmp_path: Path, stack: ExitStack) -> None:
    root = fat(tmp_path, stack)
    op = write("/FILE", "x", 0o644)
    root.apply(op)
    assert is_true(root, op)
    assert not root.holds_modes(guest("/FILE"))
    assert not is_true(root, write("/FILE", "y", 0o644))


def test_a_mounted_filesystem_hides_what_lies_below(tmp_path: Path, stack: ExitStack) -> None:
    root = two_ext4(tmp_path, stack)
    put(root, "/usr/lib/x", "of usr")
    put(root, "/usrlocal", "of the root")
    below = MountedRoot({guest("/"): root.mounts[guest("/")]})
    assert below.lstat(guest("/usr/lib/x")) is None
    assert text_of(below, "/usrlocal") == "of the root"
    with pytest.raises(GuestError, match="a partition is mounted at /usr"):
        root.apply(Remove(guest("/usr")))
    root.flush()
    for name in ("ext4", "usr"):
        judge("e2fsck", "-fn", tmp_path / name)


def filled() -> MemoryTree:
    root = MemoryTree()
    put(root, "/d/one", "1")
    put(root, "/d/sub/two", "2")
    put(root, "/d/sub/three", "3")
    link(root, "/l", "d")
    return root


def kept(*ops: FileOp) -> list[FileOp]:
    root = OverlayTree(filled())
    for op in ops:
        root.apply(op)
    return root.operations()


D, SUB, TWO, L = map(guest, ("/d", "/d/sub", "/d/sub/two", "/l"))


@pytest.mark.parametrize(
    ("ops", "wanted"),
    [
        ((), []),
        ((write("/d/one", "1"),), []),
        ((write("/d/one", "1", 0o600),), [write("/d/one", "1", 0o600)]),
        ((write("/d/one", "x"), write("/d/one", "1")), []),
        ((Remove(guest("/nothing")),), []),
        ((Remove(SUB),), [Remove(SUB)]),
        ((write("/d/new", "n"), Remove(guest("/d/new"))), []),
        ((Remove(SUB), MakeDirectory(SUB)), [Remove(guest("/d/sub/three")), Remove(TWO)]),
        (
            (Remove(SUB), MakeDirectory(SUB), write("/d/sub/two", "2")),
            [Remove(guest("/d/sub/three"))],
        ),
        (
            (Remove(SUB), write("/d/sub", "now a file")),
            [Remove(SUB), write("/d/sub", "now a file")],
        ),
        ((Remove(L), MakeSymlink(L, "d")), []),
        ((Remove(L), write("/l", "x")), [write("/l", "x")]),
        (
            (Remove(guest("/d/one")), MakeDirectory(guest("/d/one"))),
            [Remove(guest("/d/one")), MakeDirectory(guest("/d/one"))],
        ),
    ],
)
def test_an_overlay_keeps_what_differs_and_nothing_else(
    ops: tuple[FileOp, ...], wanted: list[FileOp]
) -> None:
    assert kept(*ops) == wanted


@pytest.mark.parametrize("case", STEPS)
def test_what_an_overlay_kept_makes_its_base_equal(case: str) -> None:
    base, above = filled(), OverlayTree(filled())
    for op in STEPS[case]:
        if op.path != D:
            above.apply(op)
    for op in above.operations():
        base.apply(op)
    assert walk(base) == walk(above)
    assert OverlayTree(base).operations() == []


def test_an_overlay_refuses_a_file_where_a_directory_is() -> None:
    root = OverlayTree(filled())
    with pytest.raises(GuestError, match="is a directory in the base") as caught:
        root.apply(write("/d", "x"))
    assert "absent: true" in caught.value.hint
    with pytest.raises(GuestError, match="is a file in the base"):
        root.apply(MakeDirectory(guest("/d/one")))


@pytest.mark.parametrize(
    ("path", "whole", "but_last"),
    [
        ("/l/one", "/d/one", "/d/one"),
        ("/l", "/d", "/l"),
        ("/l/nothing/more", "/d/nothing/more", "/d/nothing/more"),
        ("/up/one", "/d/one", "/d/one"),
        ("/absolute", "/d/sub", "/absolute"),
        ("/absolute/two", "/d/sub/two", "/d/sub/two"),
        ("/dangling/x", "/not/there/x", "/not/there/x"),
        ("/", "/", "/"),
    ],
)
def test_links_are_followed_inside(path: str, whole: str, but_last: str) -> None:
    root = filled()
    link(root, "/up", "d/../d")
    link(root, "/absolute", "/d/sub")
    link(root, "/dangling", "/not/there")
    assert (resolve(root, guest(path)), resolve_parent(root, guest(path))) == (whole, but_last)


def test_a_link_is_never_followed_out_of_the_root() -> None:
    root = filled()
    link(root, "/out", "../../etc")
    link(root, "/round", "round")
    for path, words in (("/out/x", "climbs above the root"), ("/round/x", "in a circle")):
        with pytest.raises(GuestError, match=words):
            resolve(root, guest(path))


def test_text_is_read_through_links_and_absence_can_be_expected() -> None:
    root = filled()
    put(root, "/bytes", "")
    root.apply(WriteFile(guest("/bytes"), Blob.of(b"\xff\n")))
    assert read_text(root, guest("/l/one")) == "1"
    assert read_text(root, guest("/bytes")).encode(errors="surrogateescape") == b"\xff\n"
    assert read_text(root, guest("/no"), missing="none") == "none"
    assert (exists(root, guest("/l/one")), exists(root, guest("/l/no"))) == (True, False)
    with pytest.raises(GuestError, match="the base has no file /no"):
        read_text(root, guest("/no"))


def test_an_owner_that_is_a_name_cannot_be_written() -> None:
    with pytest.raises(GuestError, match="ada:wheel"):
        ids(Owner("ada", "wheel"))
    assert ids(Owner(1, 2)) == (1, 2)


def test_a_mount_point_needs_a_root() -> None:
    with pytest.raises(GuestError, match="would hold /x"):
        MountedRoot({}).lstat(GuestPath("/x"))
