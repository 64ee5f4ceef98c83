"""An image as a disk that can be read anywhere: what is packed is unpacked to a nameless file.

Needed for the settings of single cards only; without them an image is read as a stream.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from builder.burn.source import Image, iter_spans, joined_extents
from builder.formats.disk import Disk
from builder.formats.scratch import temporary_folder
from builder.formats.sparse import SparseDisk, open_scratch, write_sparse
from builder.formats.stream import truncate
from builder.progress import Progress
from builder.structs import replace


@contextmanager
def open_unpacked(image: Image, progress: Progress) -> Iterator[tuple[Disk, Image]]:
    """Open the disk in an image, and give the image that is to be read from now on.

    Raises:
        DigestMismatch: it is another than what was wanted.
        FormatError: it is damaged.
        HostError: there is no room for what it holds.
    """
    if image.is_raw and image.path is not None:
        fd = os.open(image.path, os.O_RDONLY)
        try:
            yield SparseDisk(fd, image.size, name=image.name), image
        finally:
            os.close(fd)
        return
    folder = image.path.resolve().parent if image.path else temporary_folder()
    if not os.access(folder, os.W_OK):
        folder = temporary_folder()
    with open_scratch(folder) as fd:
        progress.phase(f"unpacking {image.name}: its root is edited for each card")
        for offset, content in image.iter_runs():
            if isinstance(content, bytes):
                write_sparse(fd, content, offset)
        image.prove()  # an address: before its root is looked into, and the card is opened
        truncate(fd, image.size)
        extents = joined_extents(fd, image.size)
        mapped = sum(length for _, length in extents)
        ready = replace(image, mapped=mapped, iter_runs=partial(iter_spans, fd, extents))
        yield SparseDisk(fd, image.size, name=image.name), ready
