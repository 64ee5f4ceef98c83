"""Make a disk longer, and with it its last partition and the root filesystem in that.

Where the first boot makes a swap partition behind the root, room is left for it. Nothing is moved:
the disk ends later, the partition table says so, its copy goes to the new end,
and the filesystem gains block groups. Does not shrink anything.
"""

from collections.abc import Iterable

from builder.changes import Change, SetUnitState, UnitState, WriteFile
from builder.engine.tree import Tree
from builder.errors import GuestError
from builder.formats.disk import GIB, MIB, GrowingDisk
from builder.formats.ext4.resize import grow_ext4
from builder.formats.partition_growth import grow_last_partition, move_backup
from builder.formats.partitions import read_partitions
from builder.guest import card
from builder.job import Job
from builder.roots.disk import open_root


def fit_disk(disk: GrowingDisk, wanted: int, multiple: int, job: Job) -> None:
    """Give a disk the size that the spec and the target want.

    Args:
        disk: The disk; zeros are added at its end.
        wanted: At least so many bytes, and the root grows to them; zero: as the base has it.
        multiple: What the target rounds the size up to.
        job: Its plan says who makes swap, its timestamp is written into the filesystem.

    Raises:
        GuestError: the disk is larger already, or its root is not in its last partition.
        FormatError: the partition table or the filesystem is damaged, or has no room to grow.
    """
    read_partitions(disk)
    if wanted and wanted < disk.size:
        raise GuestError(
            f"disk.size is {_shown(wanted)}, but the base's disk has {_shown(disk.size)} already",
            code="DSK001",
            hint=f"ask for more than {_shown(disk.size)}: a disk can grow, not shrink",
        )
    size = -(-max(wanted, disk.size) // multiple) * multiple
    if size > disk.size:
        disk.grow(size)
    move_backup(disk)
    if wanted:
        root = open_root(disk, timestamp=job.timestamp)
        end = _end_before_swap(disk.size) if makes_swap(root, job.plan.changes) else disk.size
        partition = grow_last_partition(disk, end)
        grow_ext4(disk, partition.offset, partition.size, timestamp=job.timestamp)


def makes_swap(root: Tree, changes: Iterable[Change]) -> bool:
    """Return whether the first boot of a changed root makes a swap partition behind it."""
    for change in changes:
        match change:
            case WriteFile(path=card.UNIT_PATH):
                return False
            case SetUnitState(unit=card.UNIT, state=state) if state is not UnitState.ENABLED:
                return False
            case _:
                pass
    return root.lstat(card.WANTED) is not None


def _end_before_swap(size: int) -> int:
    """Return where a root may end that Photon's own unit still has to grow: a little earlier.

    Shrinking to its share is what that unit cannot do.
    """
    numerator, denominator = card.SHARE
    return (size * numerator // denominator // MIB - 1) * MIB


def _shown(size: int) -> str:
    """Return a size as text."""
    return f"{size / GIB:g} GiB" if size % GIB == 0 else f"{size / MIB:g} MiB"
