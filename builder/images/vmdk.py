"""A stream-optimized VMDK on its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.formats.magic import VMDK
from builder.images import Container, Image


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    """Open a VMDK; the codec is imported when there is one."""
    from builder.formats.vmdk import GrainOverlay, StreamOptimized

    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        vmdk = StreamOptimized(stream.fileno(), 0, size, name=path.name)
        yield Image("vmdk", GrainOverlay(vmdk), {}, lambda full: vmdk.check(full=full))


CONTAINER = Container("vmdk", VMDK.matches, _open, is_direct=True)
