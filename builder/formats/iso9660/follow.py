"""Entries outside of their records follow a directory that moves, and the content follows them.

Source: libarchive's reader, which goes from front to back: it takes a continuation area (CE) only
behind the directory that names it, that of a regular file only before the file's content, and none
while one before it, such as the root's, was not reached.
Other readers do not mind where they lie. The content that was there stays: it is only copied.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from builder.formats.disk import Disk
from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.editor import TreeEditor
from builder.formats.iso9660.volume import BLOCK
from builder.structs import Struct

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class OldContent(Struct, frozen=True):
    """What a file of the image holds, to be written again elsewhere.

    Attributes:
        disk: The image.
        extents: Block and bytes of each of its pieces.
    """

    disk: Disk
    extents: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(size for _, size in self.extents)

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        return io.BufferedReader(_Pieces(self))


class _Pieces(io.RawIOBase):
    """The pieces of a file, one behind the other."""

    def __init__(self, content: OldContent) -> None:
        self._disk = content.disk
        self._left = [(block * BLOCK, size) for block, size in content.extents if size]

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer from the current piece; return zero at the end."""
        if not self._left:
            return 0
        view = memoryview(buffer).cast("B")
        offset, size = self._left.pop(0)
        count = min(len(view), size)
        view[:count] = self._disk.read(offset, count)
        if count < size:
            self._left.insert(0, (offset + count, size - count))
        return count


def carry_entries(editor: TreeEditor) -> Iterator[tuple[OldContent, tuple[Record, ...]]]:
    """Take along the entries of what lies in directories that move.

    Yields the files whose content must be written again, with all records of each.
    """
    if editor.tree.protocol is None:
        return
    for index, _ in editor.growing():
        directory, goes_on = editor.directory(index), False
        for record in directory.records[2:]:
            is_carried = record not in editor.made and editor.carry(record)
            if is_carried and record.size and not record.is_directory and not goes_on:
                pieces = tuple(directory.pieces(record))
                extents = tuple((piece.extent, piece.size) for piece in pieces)
                yield OldContent(editor.tree.disk, extents), pieces
            goes_on = record.is_continued
    if editor.overflows():
        editor.carry_root()
