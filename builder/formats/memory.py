"""A disk in memory: a small image that is edited before it is written."""

from builder.errors import FormatError


class MemoryDisk:
    """Bytes as a disk.

    Attributes:
        data: The bytes, as they are after the writes.
    """

    def __init__(self, data: bytes, *, name: str) -> None:
        self.data = bytearray(data)
        self._name = name

    @property
    def size(self) -> int:
        """Capacity in bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes; all of them must be there."""
        self._check(offset, length)
        return bytes(self.data[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes; the disk does not grow."""
        self._check(offset, len(data))
        self.data[offset : offset + len(data)] = data

    def _check(self, offset: int, length: int) -> None:
        """Refuse a range that is not on the disk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"{self._name}: wanted bytes {offset} to {offset + length} of {self.size}"
            )
