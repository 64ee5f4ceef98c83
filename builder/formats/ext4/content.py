"""The content of ext4 files, in pieces of 1 MiB at most."""

from collections.abc import Iterator
from typing import BinaryIO

from builder.errors import HostError
from builder.formats.disk import MIB
from builder.formats.ext4.inode import Inode
from builder.formats.ext4.mapping import Mapper
from builder.formats.ext4.runs import Run
from builder.formats.ext4.volume import Volume
from builder.formats.filesystem import Content


def iter_content(mapper: Mapper, inode: Inode) -> Iterator[bytes]:
    """Yield what a file holds; holes and blocks not written yet are zeros."""
    block_size = mapper.volume.block_size
    size, position = inode.size, 0
    for extent in mapper.read(inode).extents:
        start = min(extent.logical * block_size, size)
        end = min(start + extent.length * block_size, size)
        yield from _iter_zeros(start - position)
        position = start
        while extent.written and position < end:
            length = min(end - position, MIB)
            place = extent.start * block_size + position - start
            yield mapper.volume.read_at(place, length)
            position += length
    yield from _iter_zeros(size - position)


def write_content(volume: Volume, runs: list[Run], content: Content, path: str) -> None:
    """Write content into its blocks, the last one padded with zeros.

    Raises:
        HostError: the content is shorter or longer than announced.
    """
    left = content.size
    with content.open() as stream:
        for run in runs:
            start = run.start * volume.block_size
            end = start + run.length * volume.block_size
            while start < end:
                room = min(end - start, MIB)
                piece = _read_up_to(stream, min(room, left))
                left -= len(piece)
                if left and len(piece) < room:
                    raise _changed(volume, path, content.size)
                volume.write_at(start, piece.ljust(room, b"\0"))
                start += room
        if stream.read(1):
            raise _changed(volume, path, content.size)


def _changed(volume: Volume, path: str, size: int) -> HostError:
    """Return the error for content that is not as long as announced."""
    return HostError(
        f"{volume.name}: {path}: its content is not {size} bytes long, as announced",
        hint="the file changed while it was read: run again",
    )


def _read_up_to(stream: BinaryIO, length: int) -> bytes:
    """Return ``length`` bytes, or fewer when the stream ends."""
    pieces = []
    while length:
        piece = stream.read(length)
        if not piece:
            break
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _iter_zeros(length: int) -> Iterator[bytes]:
    while length > 0:
        yield bytes(min(length, MIB))
        length -= MIB
