"""Sparse files: holes found and kept, zeros never written.

Source: lseek(2), SEEK_DATA and SEEK_HOLE, as in POSIX.1-2024. Where a system or filesystem has
no holes, everything counts as data, and zeros are found by looking.

Does not punch holes into what has been written.
"""

import errno
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

from builder.errors import FormatError
from builder.formats.disk import GIB, KIB, MIB
from builder.formats.kernel_copy import can_share, iter_copied
from builder.formats.reading import read_fully
from builder.formats.stream import truncate, write_all
from builder.host import place_of, refusal
from builder.progress import Advance
from builder.structs import Struct

Piece = bytes | int
"""A run of a stream: its bytes, or how many zeros it has."""

LARGEST_DISK = 2048 * GIB
"""What an MBR can address with sectors of 512 bytes; no cloud takes a larger image."""

STRETCH = 4 * MIB
"""What is digested as a whole."""

ZEROS = bytes(MIB)
"""Zeros that are recognised by identity, not by content."""
CELL = 64 * KIB
"""What is looked at as a whole when zeros are looked for."""
_FINE = 4 * KIB
_LONGEST_ZERO_RUN = 64 * MIB


class Window(Struct, frozen=True):
    """A run of an open file that may have holes."""

    fd: int
    offset: int
    size: int


class SparseDisk:
    """A raw disk in an open file; what lies in a hole reads as zeros.

    Attributes:
        written: Offsets of the stretches of 4 MiB that are not as they were.
    """

    def __init__(self, fd: int, size: int, *, name: str) -> None:
        self.fd = fd
        self.size = size
        self.name = name
        self.written: set[int] = set()

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""
        self._check(offset, length)
        data = read_fully(self.fd, length, offset)
        return data if len(data) == length else data.ljust(length, b"\0")

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes."""
        self._check(offset, len(data))
        self.written.update(range(offset // STRETCH * STRETCH, offset + len(data), STRETCH))
        write_all(self.fd, data, offset)

    def grow(self, size: int) -> None:
        """Make the disk longer by a hole."""
        truncate(self.fd, size)
        self.written.add(self.size // STRETCH * STRETCH)
        self.size = size

    def _check(self, offset: int, length: int) -> None:
        """Refuse what is not all on the disk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            end = offset + length
            raise FormatError(f"{self.name}: bytes {offset} to {end} of a disk of {self.size}")


@contextmanager
def open_scratch(directory: Path) -> Iterator[int]:
    """Open an empty file without a name on the filesystem of ``directory``.

    Raises:
        HostError: no file can be created there.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(tempfile.TemporaryFile(dir=directory))
        except OSError as error:
            raise refusal(OSError(error.errno, error.strerror), directory) from error
        yield stream.fileno()


def is_zero(data: bytes, start: int = 0, end: int | None = None) -> bool:
    """Return whether there is nothing but zeros in a part of at most 1 MiB."""
    if data is ZEROS:
        return True
    length = (len(data) if end is None else end) - start
    # The quickest comparison that Python has: memcmp(3) in place, without a copy.
    return data.startswith(ZEROS if length == MIB else _zeros(length), start)


def iter_told(
    pieces: Iterable[bytes], advance: Advance = lambda _: None
) -> Generator[bytes, None, None]:
    """Yield the pieces, counted; :data:`ZEROS` itself instead of a MiB that is equal to it.

    For whoever makes them in a thread: they take no memory then, and are not looked at again.
    """
    for piece in pieces:
        advance(len(piece))
        yield ZEROS if len(piece) == MIB and is_zero(piece) else piece


def write_sparse(fd: int, data: bytes, offset: int) -> None:
    """Write what is not zero of ``data`` into a file that is still a hole there.

    Runs are separated in blocks of 4 KiB, counted from the file's first byte.
    """
    if data is ZEROS:
        return
    view = memoryview(data)
    for start, end in _filled(data, offset):
        write_all(fd, view[start:end], offset + start)


def iter_data(fd: int, offset: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each run of ``size`` bytes from ``offset`` that is no hole."""
    end = min(offset + size, os.fstat(fd).st_size)
    while offset < end:
        start = _seek(fd, offset, "SEEK_DATA", end)
        if start >= end:
            return
        stop = min(_seek(fd, start, "SEEK_HOLE", end), end)
        yield start, stop - start
        offset = stop


def iter_pieces(
    parts: Iterable[bytes | Window], *, size: int = MIB, shortest_hole: int = CELL
) -> Iterator[Piece]:
    """Yield a stream of bytes and windows in pieces of at most ``size`` bytes.

    Runs of zeros of ``shortest_hole`` bytes and more are pieces of their own, of up to 64 MiB.
    """
    held = bytearray()
    for atom in _atoms(parts):
        if isinstance(atom, int) and atom >= shortest_hole:
            if held:
                yield bytes(held)
                held = bytearray()
            yield from _split_zeros(atom)
            continue
        held += bytes(atom)
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def iter_counted(pieces: Iterable[Piece], advance: Advance) -> Iterator[Piece]:
    """Yield pieces, and count their bytes, those of zeros too."""
    for piece in pieces:
        yield piece
        advance(piece if isinstance(piece, int) else len(piece))


def iter_spelled_out(piece: Piece) -> Iterator[bytes]:
    """Yield a piece as bytes."""
    if isinstance(piece, bytes):
        yield piece
        return
    whole, rest = divmod(piece, MIB)
    yield from (bytes(MIB) for _ in range(whole))
    if rest:
        yield bytes(rest)


def iter_cells(window: Window) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of each cell of 64 KiB that is not zero.

    Holes depend on the filesystem, zeros do not: equal
    contents give equal cells.
    """
    done = 0
    for start, length in iter_data(window.fd, window.offset, window.size):
        first = max(done, (start - window.offset) // CELL * CELL)
        end = min(window.size, -(-(start + length - window.offset) // CELL) * CELL)
        for at in range(first, end, MIB):
            data = read_fully(window.fd, min(MIB, end - at), window.offset + at)
            # A window may reach beyond the end of its file.
            yield from _split_cells(at, data.ljust(min(MIB, end - at), b"\0"))
        done = max(done, end)


def copy_sparse(source: Window, fd: int) -> None:
    """Copy a window to the start of an empty file, holes staying holes.

    Raises:
        HostError: the disk is full.
    """
    # What can_share may overwrite is to be the same there, so this has to be the same place.
    reserves = source.offset > 0 or not can_share(source.fd, fd)
    for start, length in iter_data(source.fd, source.offset, source.size):
        _copy_range((source.fd, start), (fd, start - source.offset), length, reserves=reserves)
    truncate(fd, source.size)


def _split_zeros(count: int) -> Iterator[int]:
    """Yield a run of zeros in runs that are not too long to be held as bytes once packed."""
    while count:
        part = min(count, _LONGEST_ZERO_RUN)
        yield part
        count -= part


def _atoms(parts: Iterable[bytes | Window]) -> Iterator[Piece]:
    """Yield bytes as they are, and windows as data and zeros; neighbouring zeros are one run."""
    zeros = 0
    for part in parts:
        for atom in (part,) if isinstance(part, bytes) else _cells(part):
            if isinstance(atom, int):
                zeros += atom
                continue
            if zeros:
                yield zeros
                zeros = 0
            yield atom
    if zeros:
        yield zeros


def _cells(window: Window) -> Iterator[Piece]:
    """Yield a window as the cells that hold something, and the zeros between them."""
    position = 0
    for offset, data in iter_cells(window):
        if offset > position:
            yield offset - position
        yield data
        position = offset + len(data)
    if position < window.size:
        yield window.size - position


def _split_cells(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the cells that are not zero, and where they are."""
    for start in range(0, len(data), CELL):
        end = min(len(data), start + CELL)
        if not is_zero(data, start, end):
            yield offset + start, data[start:end]


@lru_cache(64)
def _zeros(length: int) -> bytes:
    """Return a short run of zeros."""
    return bytes(length)


def _filled(data: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of a piece that are not zero."""
    run = None
    for start, end, zero in _blocks(data, offset):
        if not zero:
            run = (run[0] if run else start, end)
        elif run:
            yield run
            run = None
    if run:
        yield run


def _blocks(data: bytes, offset: int) -> Iterator[tuple[int, int, bool]]:
    """Yield a piece in blocks, large ones where it is empty, and whether each is zero."""
    for start, end in _grid(offset, 0, len(data), MIB):
        if is_zero(data, start, end):
            yield start, end, True
            continue
        for coarse, stop in _grid(offset, start, end, CELL):
            if is_zero(data, coarse, stop):
                yield coarse, stop, True
                continue
            for fine, last in _grid(offset, coarse, stop, _FINE):
                yield fine, last, is_zero(data, fine, last)


def _grid(offset: int, start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a piece at ``offset`` between the lines of a grid of the file."""
    while start < end:
        stop = min(end, (offset + start) // step * step + step - offset)
        yield start, stop
        start = stop


def _seek(fd: int, offset: int, whence: str, end: int) -> int:
    """Return the next data or hole; without such knowledge all is data up to ``end``."""
    how = getattr(os, whence, None)
    if how is None:
        return offset if whence == "SEEK_DATA" else end
    try:
        return os.lseek(fd, offset, how)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end
        if error.errno in {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY}:
            return offset if whence == "SEEK_DATA" else end
        raise refusal(error, place_of(fd)) from error


def _copy_range(
    source: tuple[int, int], to: tuple[int, int], length: int, *, reserves: bool
) -> None:
    """Copy a run from a place in one file to one in another, by the kernel where it can."""
    (fd, start), (target, at) = source, to
    for done in iter_copied(fd, start, length, to, reserves=reserves):
        start, at, length = start + done, at + done, length - done
    while length:
        data = read_fully(fd, min(MIB, length), start)
        if not data:
            raise FormatError(f"a source ends at byte {start}, wanted {length} more")
        write_all(target, data, at)
        start, at, length = start + len(data), at + len(data), length - len(data)
