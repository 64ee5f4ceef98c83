"""A copy-on-write disk: writes stay in memory, the disk below is never changed.

Opening a filesystem may write (a journal is replayed); a base that is only inspected stays
as it is. Blocks of 64 KiB are copied when they are first written.
"""

from collections.abc import Iterator

from builder.errors import FormatError
from builder.formats.disk import KIB, Disk

_BLOCK = 64 * KIB


class ShadowDisk:
    """A copy-on-write view of another disk."""

    def __init__(self, base: Disk) -> None:
        self.base = base
        self._blocks: dict[int, bytearray] = {}

    @property
    def size(self) -> int:
        """Capacity of the disk below."""
        return self.base.size

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes as they are after the writes."""
        if not any(number in self._blocks for number, _, _ in _split(offset, length)):
            return self.base.read(offset, length)
        return b"".join(
            bytes(self._blocks[number][start:end])
            if number in self._blocks
            else self.base.read(number * _BLOCK + start, end - start)
            for number, start, end in _split(offset, length)
        )

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Keep bytes in memory."""
        if offset < 0 or offset + len(data) > self.size:
            end = offset + len(data)
            raise FormatError(f"bytes {offset} to {end} of a disk of {self.size}")
        view = memoryview(data)
        for number, start, end in _split(offset, len(data)):
            self._writable(number)[start:end] = view[: end - start]
            view = view[end - start :]

    def changes(self) -> dict[int, bytes]:
        """Return the blocks that were written, by their offset; the last may be shorter."""
        return {number * _BLOCK: bytes(block) for number, block in self._blocks.items()}

    def _writable(self, number: int) -> bytearray:
        """Return a block that can be written."""
        if number not in self._blocks:
            offset = number * _BLOCK
            length = min(_BLOCK, self.size - offset)
            self._blocks[number] = bytearray(self.base.read(offset, length))
        return self._blocks[number]


def _split(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield the blocks of a range, each with first and last byte inside of it."""
    number, start = divmod(offset, _BLOCK)
    while length > 0:
        end = min(_BLOCK, start + length)
        yield number, start, end
        length -= end - start
        number, start = number + 1, 0
