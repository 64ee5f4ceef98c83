"""A disk as bytes that can be read and written at an offset, and its partitions."""

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from builder.errors import FormatError
from builder.formats.reading import read_fully
from builder.structs import Struct

SECTOR = 512
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Disk(Protocol):
    """Bytes of a disk; offsets and lengths in bytes."""

    @property
    def size(self) -> int:
        """Capacity."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes; raises ``FormatError`` when they are not all on the disk."""
        ...

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes; raises ``FormatError`` when they are not all on the disk."""
        ...


class GrowingDisk(Disk, Protocol):
    """A disk that can become longer."""

    def grow(self, size: int) -> None:
        """Make the disk ``size`` bytes long; what is added reads as zeros."""
        ...


class Partition(Struct, frozen=True):
    """One entry of a partition table.

    Attributes:
        number: As the kernel counts, from 1.
        offset: First byte.
        size: Length.
        type: GPT type GUID (upper case) or MBR type byte as two hex digits.
        uuid: PARTUUID as Linux writes it (lower case): the GPT partition GUID, or
            ``<disk signature>-<number>`` on an MBR.
        name: GPT partition name; empty on an MBR.
    """

    number: int
    offset: int
    size: int
    type: str
    uuid: str
    name: str = ""


class FileDisk:
    """A raw disk image in a file."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""
        self._check(offset, length)
        data = read_fully(self._fd, length, offset)
        if len(data) != length:
            raise FormatError(f"{self.path}: ends at byte {offset + len(data)} while being read")
        return data

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes."""
        self._check(offset, len(data))
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, offset)
            view, offset = view[done:], offset + done

    def _check(self, offset: int, length: int) -> None:
        """Refuse what is not all on the disk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"{self.path}: bytes {offset} to {offset + length} of a disk of {self.size}"
            )
