"""A tree of this machine as the root of a process, with this machine's programs mounted in it."""

import os
import stat
from pathlib import Path

import pytest

from builder.formats.filesystem import Kind
from tests.support.judges import CI, judge
from tests.support.tree import Directory, File, Link, Tree

_MULTIARCH = Path("/usr/lib/x86_64-linux-gnu")
_LOADER = Path("/lib64/ld-linux-x86-64.so.2")
_SCRIPT = """\
set -eu
root=$1; shift
mount --make-rprivate /
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  [ "$2" = /dev ] || mount -o remount,bind,ro "$root$2"
  shift 2
done
shift
exec chroot "$root" "$@"
"""


def lay_out(tree: Tree, directory: Path) -> None:
    """Write a tree with its owners and modes; needs to be root."""
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("owners are set by root only: run it with sudo")
    directory.mkdir(exist_ok=True)
    for path, entry in sorted(tree.items()):
        place = directory / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        match entry:
            case Directory():
                place.mkdir(exist_ok=True)
            case File(content):
                place.write_bytes(content)
            case Link(target):
                place.symlink_to(target)
                continue
        os.chown(place, entry.uid, entry.gid)
        place.chmod(entry.mode)


def run_inside(directory: Path, *argv: str) -> str:
    """Run a program of this machine with ``directory`` as its root; returns what it said.

    The programs are mounted over the tree's own for that time; nothing of them stays.
    """
    mounts = {
        Path("/usr/bin"): "/usr/bin",
        Path("/dev"): "/dev",
        _MULTIARCH: str(_MULTIARCH),
        _LOADER: "/usr/lib/ld-linux-x86-64.so.2",
        **{folder: str(folder) for folder in Path("/usr/lib").glob("python3*")},
    }
    made = [place for source, place in mounts.items() if _make_point(directory, source, place)]
    pairs = [word for source, place in mounts.items() for word in (str(source.resolve()), place)]
    try:
        done = judge(
            "unshare", "-m", "sh", "-c", _SCRIPT, "sh", directory, *pairs, "--", *argv, check=False
        )
    finally:
        for place in reversed(made):
            _remove_point(directory, place)
    return done.stdout + done.stderr


def _make_point(directory: Path, source: Path, place: str) -> bool:
    """Make what something is mounted on, unless it is there."""
    point = directory / place.lstrip("/")
    if point.exists():
        return False
    point.parent.mkdir(parents=True, exist_ok=True)
    if source.resolve().is_dir():
        point.mkdir()
    else:
        point.touch()
    return True


def _remove_point(directory: Path, place: str) -> None:
    """Remove what was made, and the empty directories above it."""
    point = directory / place.lstrip("/")
    if point.is_dir():
        point.rmdir()
    else:
        point.unlink()
    while point.parent != directory and not any(point.parent.iterdir()):
        point = point.parent
        point.rmdir()


Row = tuple[str, int, int, int, str]


def rows_of(directory: Path) -> dict[str, Row]:
    """Return kind, mode, owner and content of everything in a tree of this machine."""
    found = {}
    for place in directory.rglob("*"):
        node = place.lstat()
        ids = (node.st_uid, node.st_gid)
        path = f"/{place.relative_to(directory)}"
        if place.is_symlink():
            target = os.readlink(place)  # noqa: PTH115 - pathlib would tidy it
            found[path] = (str(Kind.SYMLINK), 0o777, *ids, target)
            continue
        is_file = place.is_file()
        content = place.read_bytes().decode(errors="surrogateescape") if is_file else ""
        kind = Kind.FILE if is_file else Kind.DIRECTORY
        found[path] = (str(kind), stat.S_IMODE(node.st_mode), *ids, content)
    return found
