"""What is on a device now, so that people know what they would lose.

Looks at the partition table and at magic bytes only: nothing is mounted, nothing is opened for
writing. What a whole disk is part of (an array, a pool, LVM, LUKS) is told though there may be a
partition table as well, and of ext4 where it was last mounted (``s_last_mounted``: kernel,
``Documentation/filesystems/ext4/super.rst``).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.burn.devices import clean, format_size
from builder.errors import FormatError
from builder.formats.disk import SECTOR, Disk, Partition
from builder.formats.ext4 import is_ext4
from builder.formats.fat import is_fat
from builder.formats.partitions import read_partitions
from builder.formats.signatures import iter_signatures
from builder.formats.sparse import SparseDisk

_LAST_MOUNTED = 1024 + 0x88
_LAST_MOUNTED_SIZE = 64


def describe_contents(path: Path, size: int) -> str:
    """Return what a device holds as one line; a question mark when it may not be read."""
    try:
        with path.open("rb", buffering=0) as stream:
            disk = SparseDisk(stream.fileno(), size, name=str(path))
            return ", ".join(_iter_contents(disk))
    except OSError:
        return "?"


def _iter_contents(disk: Disk) -> Iterator[str]:
    """Yield what the disk is part of, and what each partition holds."""
    try:
        partitions = read_partitions(disk)
    except FormatError:
        what = _what(disk, 0, disk.size) or _no_partitions(disk)
        yield f"{what}{_last_mounted(disk, 0)}"
        return
    for name, place in iter_signatures(disk, 0, disk.size):
        if not _is_within(place, partitions):
            yield clean(name)
    for part in partitions:
        name = f"{clean(part.name)} " if part.name else f"partition {part.number} "
        what = _what(disk, part.offset, part.size) or "unknown"
        yield f"{name}({what} {format_size(part.size)}{_last_mounted(disk, part.offset)})"


def _what(disk: Disk, offset: int, size: int) -> str:
    """Return what lies in a run, empty when it is nothing that is known."""
    found = [clean(name) for name, _ in iter_signatures(disk, offset, size)]
    if is_ext4(disk, offset):
        found.append("ext4")
    elif is_fat(disk, offset):
        found.append("FAT")
    return " and ".join(found)


def _no_partitions(disk: Disk) -> str:
    """Tell a disk that was never used from one whose table cannot be read."""
    start = disk.read(0, min(disk.size, 2 * SECTOR))
    return "a partition table that is damaged, or none" if any(start) else "no partitions"


def _last_mounted(disk: Disk, offset: int) -> str:
    """Return where an ext4 filesystem was mounted last, empty when that is not told."""
    if not is_ext4(disk, offset):
        return ""
    try:
        data = disk.read(offset + _LAST_MOUNTED, _LAST_MOUNTED_SIZE)
    except FormatError:
        return ""
    point = clean(data.partition(b"\0")[0].decode("utf-8", "replace"))
    return f", last mounted at {point}" if point else ""


def _is_within(place: int, partitions: Sequence[Partition]) -> bool:
    """Tell whether a place on a disk lies in one of its partitions."""
    return any(part.offset <= place < part.offset + part.size for part in partitions)
