"""What the sample base has besides when it is the card of a board: firmware, radio, first boot."""

from collections.abc import Iterator
from pathlib import Path

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, WriteFile
from builder.guestpath import GuestPath, guest, parent
from builder.roots import Root

_TREE = Path(__file__).with_name("board")
_EXECUTABLE = guest("/usr/local/bin")
_UNIT = "/usr/lib/systemd/system/resizefs.service"
_ENABLED = guest("/etc/systemd/system/multi-user.target.wants/resizefs.service")

SWAP_LINE = "LABEL=PHOTON_SWAP\tnone\tswap\tdefaults\t0\t0\n"
"""What fstab(5) says of the partition that the first boot makes."""


def plant_board(root: Root) -> None:
    """Make the files of ``board/`` on a tree, and enable what grows the root."""
    for path in sorted(_TREE.rglob("*")):
        if path.is_file():
            place = guest(f"/{path.relative_to(_TREE).as_posix()}")
            for op in _missing(root, parent(place)):
                root.apply(op)
            mode = 0o755 if parent(place) == _EXECUTABLE else 0o644
            root.apply(WriteFile(place, Blob.of(path.read_bytes()), mode))
    root.apply(MakeSymlink(_ENABLED, _UNIT))


def _missing(root: Root, directory: GuestPath) -> Iterator[FileOp]:
    """Yield the directories that are missing, from the top."""
    if root.lstat(directory) is None:
        yield from _missing(root, parent(directory))
        yield MakeDirectory(directory)
