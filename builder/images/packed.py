"""A disk that has to be unpacked before it can be read: compressed, in a tar, or both."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder.errors import HostError
from builder.images import Container, Image

_FIRST_NAME = slice(0, 100)


def _sniff(head: bytes) -> bool:
    """Return whether a file is a packed disk, and not an appliance."""
    if head[_FIRST_NAME].rstrip(b"\0").endswith(b".ovf"):
        return False
    from builder.formats.disk_file import is_packed_disk

    return is_packed_disk(head)


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Unpack a disk into a sparse file without a name, beside the artifact if that may be."""
    from builder.formats.disk_file import unpack_disk
    from builder.formats.partitions import check_partitions
    from builder.formats.shadow import ShadowDisk

    with ExitStack() as stack:
        disk, packed = unpack_disk(path, _enter_scratch(path, stack))
        facts = {"member": packed.member} if packed.member else {}
        yield Image(packed.name, ShadowDisk(disk), facts, lambda _: check_partitions(disk))


def _enter_scratch(path: Path, stack: ExitStack) -> int:
    """Open a scratch file; skip directories that are not writable."""
    from builder.formats.scratch import temporary_folder
    from builder.formats.sparse import open_scratch

    try:
        return stack.enter_context(open_scratch(path.resolve().parent))
    except HostError:
        return stack.enter_context(open_scratch(temporary_folder()))


CONTAINER = Container("raw or vhd in tar, gz, xz or zst", _sniff, _open, order=-1)
