"""A Virtual Hard Disk of fixed size: a raw disk with a footer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.formats.disk import SECTOR
from builder.images import Container, Image


def _sniff(head: bytes) -> bool:
    """Return whether a file is a VHD, by its footer; dynamic ones have a copy in front."""
    from builder.formats.vhd import FOOTER_SIZE, is_vhd

    return is_vhd(head) or is_vhd(head[-FOOTER_SIZE:])


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open a fixed VHD."""
    from builder.formats.disk_file import read_footer
    from builder.formats.partitions import check_partitions
    from builder.formats.shadow import ShadowDisk
    from builder.formats.sparse import SparseDisk
    from builder.formats.vhd import refuse_dynamic

    with path.open("rb") as stream:
        refuse_dynamic(stream.read(SECTOR), name=path.name)
        fd = stream.fileno()
        footer = read_footer(fd, stream.seek(0, 2), name=path.name)
        size = footer.size if footer else 0
        disk = SparseDisk(fd, size, name=path.name)
        facts = {"uuid": str(footer.uuid)} if footer else {}
        yield Image("vhd", ShadowDisk(disk), facts, lambda _: check_partitions(disk))


CONTAINER = Container("vhd", _sniff, _open, order=8, is_direct=True)
