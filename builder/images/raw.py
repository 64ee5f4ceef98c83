"""A raw disk image: partition table at byte 0."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.formats.disk import FileDisk
from builder.formats.partitions import read_partitions
from builder.formats.shadow import ShadowDisk
from builder.images import Container, Image

_BOOT_SIGNATURE = b"\x55\xaa"


def _sniff(head: bytes) -> bool:
    """Return whether a file is a disk with a partition table, by its boot signature."""
    return head[510:512] == _BOOT_SIGNATURE


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open a raw disk image."""
    with FileDisk(path) as disk:
        yield Image("raw", ShadowDisk(disk), {}, lambda _: _check(disk))


def _check(disk: FileDisk) -> None:
    """Check the partition table."""
    read_partitions(disk)


CONTAINER = Container("raw", _sniff, _open, order=9, is_direct=True)
