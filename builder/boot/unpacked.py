"""A packed disk, unpacked for as long as its machine runs: QEMU cannot read it where it lies."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.formats.disk_file import is_packed_disk, unpack_disk
from builder.images import read_head


@contextmanager
def ready(artifact: Path) -> Iterator[Path]:
    """Yield the artifact, or a sparse file with the disk that is packed in it.

    Raises:
        FormatError: it is damaged.
        HostError: it cannot be read, or there is no room.
    """
    if not is_packed_disk(read_head(artifact)):
        yield artifact
        return
    with tempfile.TemporaryDirectory(prefix="photon-boot-") as scratch:
        path = Path(scratch, "disk.raw")
        with path.open("w+b") as stream:
            disk, _ = unpack_disk(artifact, stream.fileno())
            stream.truncate(disk.size)
        yield path
