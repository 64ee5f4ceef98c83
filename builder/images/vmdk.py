"""A stream-optimized VMDK on its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.images import Container, Image


def _sniff(head: bytes) -> bool:
    """Tell a sparse extent by its magic."""
    return head[:4] == b"KDMV"


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open a VMDK; the codec is imported when there is one."""
    from builder.formats.vmdk import GrainOverlay, StreamOptimized

    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        vmdk = StreamOptimized(stream.fileno(), 0, size, name=path.name)
        yield Image("vmdk", GrainOverlay(vmdk), {}, lambda full: vmdk.check(full=full))


CONTAINER = Container("vmdk", _sniff, _open, is_direct=True)
