"""What is on a device now, so that people know what they would lose.

Looks at the partition table and at magic bytes only: nothing is mounted, nothing is opened for
writing.
"""

from collections.abc import Iterator
from pathlib import Path

from builder.burn.devices import clean, format_size
from builder.errors import FormatError
from builder.formats.disk import Disk
from builder.formats.ext4 import is_ext4
from builder.formats.fat import is_fat
from builder.formats.partitions import read_partitions
from builder.formats.signatures import foreign_filesystem
from builder.formats.sparse import SparseDisk


def describe_contents(path: Path, size: int) -> str:
    """Return what a device holds as one line; a question mark when it may not be read."""
    try:
        with path.open("rb", buffering=0) as stream:
            disk = SparseDisk(stream.fileno(), size, name=str(path))
            return ", ".join(_iter_contents(disk))
    except OSError:
        return "?"


def _iter_contents(disk: Disk) -> Iterator[str]:
    """Yield what each partition holds, or the whole disk when it has none."""
    try:
        partitions = read_partitions(disk)
    except FormatError:
        yield _what(disk, 0) or "no partitions"
        return
    for part in partitions:
        name = f"{clean(part.name)} " if part.name else f"partition {part.number} "
        yield f"{name}({_what(disk, part.offset) or 'unknown'} {format_size(part.size)})"


def _what(disk: Disk, offset: int) -> str:
    """Return the name of the filesystem at an offset, empty when it is none that is known."""
    if is_ext4(disk, offset):
        return "ext4"
    return "FAT" if is_fat(disk, offset) else foreign_filesystem(disk, offset)
