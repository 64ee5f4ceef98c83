"""Small roots for tests, and trees of this machine made from them."""

from pathlib import Path

from builder.blob import Blob
from builder.changes import Change, FileOp, MakeDirectory, MakeSymlink, Owner, WriteFile
from builder.engine.memory import MemoryTree
from builder.engine.tree import Tree
from builder.formats.filesystem import Kind
from builder.guestpath import GuestPath, guest, join
from builder.plan import Step

DIRECTORIES = ("/etc", "/usr", "/usr/lib", "/usr/lib/systemd", "/usr/lib/systemd/system", "/var")


def put(root: Tree, path: str, text: str, mode: int = 0o644, owner: Owner = Owner()) -> None:  # noqa: B008 - immutable
    """Write a file and the directories above it."""
    above = path.rpartition("/")[0]
    make(root, above)
    root.apply(WriteFile(guest(path), Blob.text(text), mode, owner))


def make(root: Tree, path: str, mode: int = 0o755) -> None:
    """Make a directory and those above it."""
    if not path:
        return
    make(root, path.rpartition("/")[0])
    if root.lstat(guest(path)) is None:
        root.apply(MakeDirectory(guest(path), mode))


def link(root: Tree, path: str, target: str) -> None:
    """Make a symbolic link and the directories above it."""
    make(root, path.rpartition("/")[0])
    root.apply(MakeSymlink(guest(path), target))


def merged_root() -> MemoryTree:
    """Return a usr-merged root with accounts."""
    root = MemoryTree()
    for directory in DIRECTORIES:
        make(root, directory)
    for name in ("lib", "bin", "sbin"):
        link(root, f"/{name}", f"usr/{name}")
    put(root, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    put(root, "/etc/shadow", "root:$6$old$old:0:0:90:7:::\n", 0o400)
    put(root, "/etc/group", "root:x:0:\nwheel:x:28:\nusers:x:100:\n")
    return root


def text_of(root: Tree, path: str) -> str:
    """Return a file's content."""
    return b"".join(root.chunks(guest(path))).decode(errors="surrogateescape")


def steps(*changes: Change) -> list[Step]:
    """Return changes as steps of a plan."""
    return [Step(change, "overlay.test") for change in changes]


def walk(root: Tree, path: GuestPath = guest("/")) -> dict[str, tuple[str, int, int, int, str]]:  # noqa: B008 - a constant
    """Return kind, mode, owner and content or target of everything below ``path``."""
    found = {}
    for name in root.names(path):
        at = join(path, name)
        node = root.lstat(at)
        if node is None:
            raise AssertionError(f"{at} is listed but not there")
        content = text_of(root, at) if node.kind is Kind.FILE else node.target
        found[str(at)] = (str(node.kind), node.mode, node.uid, node.gid, content)
        if node.kind is Kind.DIRECTORY:
            found |= walk(root, at)
    return found


def materialise(root: Tree, directory: Path) -> None:
    """Write a root into a folder of this machine, modes and links included."""
    for path, (kind, mode, _, _, content) in walk(root).items():
        at = directory / path.lstrip("/")
        match Kind(kind):
            case Kind.DIRECTORY:
                at.mkdir(exist_ok=True)
                at.chmod(mode | 0o700)
            case Kind.SYMLINK:
                at.symlink_to(content)
            case _:
                at.write_text(content)
                at.chmod(mode)


def apply_all(root: Tree, ops: list[FileOp]) -> None:
    """Apply operations in order."""
    for op in ops:
        root.apply(op)
