"""New stream-optimized VMDKs, from any disk or from nothing.

Source: Virtual Disk Format 5.0 (VMware technical note), "Stream-Optimized Compressed Sparse
Extents". For changing a few bytes of one there is :mod:`builder.formats.vmdk.splice`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from builder.formats.disk import SECTOR, Disk
from builder.formats.stream import write_all
from builder.formats.vmdk.front import check_size, iter_front, make_front
from builder.formats.vmdk.grains import END_OF_STREAM, deflate_grain
from builder.formats.vmdk.header import SparseHeader
from builder.formats.vmdk.tables import GrainTables

if TYPE_CHECKING:
    from concurrent.futures import Future

_THREADS = 2
_AHEAD = 8
_CID = "fffffffe"


def make_empty(capacity: int, *, filename: str = "disk.vmdk", cid: str = _CID) -> bytes:
    """Return a whole VMDK of a disk of zeros.

    Args:
        capacity: Bytes of the disk.
        filename: Name in the descriptor.
        cid: Content ID in the descriptor, eight hex digits.
    """
    header, descriptor = make_front(capacity, filename, cid)
    return b"".join(iter_front(header, descriptor, GrainTables())) + END_OF_STREAM


def write_stream_optimized(
    fd: int,
    disk: Disk,
    *,
    filename: str = "disk.vmdk",
    cid: str = _CID,
    runs: Iterable[tuple[int, int]] | None = None,
) -> int:
    """Write a disk as a VMDK and return its length; grains of zeros are left out.

    Args:
        fd: File to write from its first byte on.
        disk: What to write.
        filename: Name in the descriptor.
        cid: Content ID in the descriptor, eight hex digits.
        runs: Offset and length of what may hold data, ascending; ``None`` for everything.

    Raises:
        FormatError: the disk is too large.
        HostError: writing failed.
    """
    header, descriptor = make_front(disk.size, filename, cid)
    tables = GrainTables()
    sector = header.overhead_sectors
    for grain, record in _iter_records(disk, header, runs or ((0, disk.size),)):
        check_size(sector + len(record) // SECTOR + 1, filename)
        write_all(fd, record, sector * SECTOR)
        tables[grain] = sector
        sector += len(record) // SECTOR
    write_all(fd, END_OF_STREAM, sector * SECTOR)
    offset = 0
    for piece in iter_front(header, descriptor, tables):
        write_all(fd, piece, offset)
        offset += len(piece)
    return sector * SECTOR + len(END_OF_STREAM)


def _iter_records(
    disk: Disk, header: SparseHeader, runs: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, bytes]]:
    """Yield the grains that hold data with their records, deflated in threads."""
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[tuple[int, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for grain, content in _iter_contents(disk, header.grain_size, runs):
            first_sector = grain * header.grain_sectors
            waiting.append((grain, pool.submit(deflate_grain, first_sector, content)))
            if len(waiting) > _AHEAD:
                yield _result(waiting.popleft)
        while waiting:
            yield _result(waiting.popleft)


def _result(take: "Callable[[], tuple[int, Future[bytes]]]") -> tuple[int, bytes]:
    """Return the oldest grain and its record."""
    grain, future = take()
    return grain, future.result()


def _iter_contents(
    disk: Disk, grain_size: int, runs: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, bytes]]:
    """Yield every grain that is not all zeros."""
    zeros = bytes(grain_size)
    for grain in _iter_grains(grain_size, runs):
        start = grain * grain_size
        content = disk.read(start, min(grain_size, disk.size - start))
        if len(content) < grain_size:
            content += bytes(grain_size - len(content))
        if content != zeros:
            yield grain, content


def _iter_grains(grain_size: int, runs: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield the numbers of the grains that the runs touch, each once."""
    following = 0
    for offset, length in runs:
        end = -(-(offset + length) // grain_size)
        yield from range(max(following, offset // grain_size), end)
        following = max(following, end)
