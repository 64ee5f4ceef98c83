"""A block map: which blocks of a disk image hold something, and what their digests are.

Source: bmap-tools, "bmap file format", version 2.0: XML that names ranges of blocks of 4096 bytes,
each with the SHA-256 of its content, and that has a digest of itself. bmaptool(1) and its likes
write only those ranges to a card and check them while they do.

Ranges end at multiples of 4 MiB, so that they are digested side by side and damage is found to
that much. Zeros are part of them only where the caller marks them as used: a file may
consist of zeros, and a card that was in use has something else there. Equal contents have equal
maps, and the map's digest tells one content from another. On a disk that is mostly holes that
takes a fraction of what the SHA-256 of the whole file does.

Of block maps it reads the size of the image, and what is in use; an image is compared with a map by
making the map anew, so only with one that was made here.
"""

import hashlib
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from builder.formats.disk import KIB
from builder.formats.parallel import iter_ordered
from builder.formats.reading import read_fully
from builder.formats.sparse import CELL, STRETCH, Window, is_zero, iter_data
from builder.host import refusal

BLOCK = 4 * KIB
_NO_DIGEST = "0" * 64
_RANGE = re.compile(r"<Range [^>]*>\s*([0-9]{1,12})(?:-([0-9]{1,12}))?\s*</Range>")
_SIZE = re.compile(r"<ImageSize>\s*([0-9]{1,18})\s*</ImageSize>")

Range = tuple[int, int, str]
"""First block, last block, SHA-256."""

Stretches = Mapping[int, Sequence[Range]]
"""Offset of a stretch of 4 MiB that is not all a hole, and its ranges."""

_UNKNOWN: Stretches = MappingProxyType({})


def make_bmap(
    disk: Window, used: Iterable[tuple[int, int]] = (), known: Stretches = _UNKNOWN
) -> str:
    """Return the block map of a disk image; the same content gives the same text.

    Args:
        disk: The image.
        used: Offset and length of what belongs to it even where it is zero, in bytes.
        known: Ranges that were already digested, by stretch; they are not read again.
    """
    found = _map(disk, _Used(used), known)
    return _text(disk.size, [each for ranges in found.values() for each in ranges])


def _text(size: int, ranges: Sequence[Range]) -> str:
    """Return a map with its own digest."""
    mapped = sum(last - first + 1 for first, last, _ in ranges)
    text = _format(size, mapped, ranges)
    return text.replace(_NO_DIGEST, hashlib.sha256(text.encode()).hexdigest(), 1)


def read_size(text: str) -> int | None:
    """Return the image size that a block map states; ``None`` without one."""
    found = _SIZE.search(text)
    return int(found[1]) if found else None


def is_mapped(disk: Window, text: str) -> bool:
    """Return whether a disk image matches its own block map, and is zero everywhere else."""
    used = [
        (int(first) * BLOCK, (int(last or first) + 1 - int(first)) * BLOCK)
        for first, last in _RANGE.findall(text)
    ]
    return make_bmap(disk, used) == text


class BackgroundMap:
    """A file's block map, computed in a thread that starts at once.

    Raises:
        HostError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._found: Stretches = {}
        self._error: OSError | None = None
        try:
            self._fd = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise refusal(error, path) from error
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def hexdigest(self) -> str:
        """Return the SHA-256 of the map when the whole file has been read.

        Raises:
            HostError: the file cannot be read.
        """
        ranges = [each for found in self.stretches().values() for each in found]
        return hashlib.sha256(_text(self._size, ranges).encode()).hexdigest()

    def stretches(self) -> Stretches:
        """Return what the file holds when all of it has been read.

        Raises:
            HostError: the file cannot be read.
        """
        self._thread.join()
        if self._error is not None:
            raise refusal(self._error, self._path)
        return self._found

    def _run(self) -> None:
        """Make the map and close the file."""
        try:
            self._size = os.fstat(self._fd).st_size
            self._found = _map(Window(self._fd, 0, self._size), _Used(()), _UNKNOWN)
        except OSError as error:
            self._error = error
        finally:
            os.close(self._fd)


def _format(size: int, mapped: int, ranges: Iterable[Range]) -> str:
    """Return the map with zeros in place of its own digest."""
    lines = [
        '<?xml version="1.0" ?>',
        '<bmap version="2.0">',
        f"    <ImageSize> {size} </ImageSize>",
        f"    <BlockSize> {BLOCK} </BlockSize>",
        f"    <BlocksCount> {-(-size // BLOCK)} </BlocksCount>",
        f"    <MappedBlocksCount> {mapped} </MappedBlocksCount>",
        "    <ChecksumType> sha256 </ChecksumType>",
        f"    <BmapFileChecksum> {_NO_DIGEST} </BmapFileChecksum>",
        "    <BlockMap>",
    ]
    for first, last, digest in ranges:
        blocks = f"{first}-{last}" if last > first else f"{first}"
        lines.append(f'        <Range chksum="{digest}"> {blocks} </Range>')
    return "\n".join([*lines, "    </BlockMap>", "</bmap>", ""])


class _Used:
    """The cells that are in use, by the stretch of 4 MiB that they lie in."""

    def __init__(self, runs: Iterable[tuple[int, int]]) -> None:
        self._cells: dict[int, set[int]] = {}
        for offset, length in runs:
            for cell in range(offset // CELL, -(-(offset + length) // CELL)):
                stretch, index = divmod(cell * CELL, STRETCH)
                self._cells.setdefault(stretch * STRETCH, set()).add(index)

    def stretches(self) -> Iterator[int]:
        """Yield the offset of each stretch that is in use somewhere."""
        return iter(self._cells)

    def within(self, stretch: int) -> Collection[int]:
        """Return the cells of a stretch that are in use, by their offset in it."""
        return self._cells.get(stretch, ())


def _map(disk: Window, used: _Used, known: Stretches) -> dict[int, Sequence[Range]]:
    """Return the ranges that hold something, with their digests, by their stretches."""
    stretches = sorted(
        offset for offset in {*_stretches(disk), *used.stretches()} if offset < disk.size
    )
    left = [at for at in stretches if not _is_known(at, used, known)]
    read = dict(zip(left, iter_ordered(partial(_map_stretch, disk, used), left), strict=True))
    return {at: read[at] if at in read else known[at] for at in stretches}


def _is_known(stretch: int, used: _Used, known: Stretches) -> bool:
    """Return whether the known ranges of a stretch have all of it that is in use."""
    if stretch not in known:
        return False
    blocks = [(stretch + cell) // BLOCK for cell in used.within(stretch)]
    ranges = known[stretch]
    return all(any(first <= at <= last for first, last, _ in ranges) for at in blocks)


def _stretches(disk: Window) -> Iterator[int]:
    """Yield the offset of each stretch of 4 MiB that is not all a hole."""
    for start, length in iter_data(disk.fd, disk.offset, disk.size):
        first = (start - disk.offset) // STRETCH * STRETCH
        yield from range(first, start + length - disk.offset, STRETCH)


def _map_stretch(disk: Window, used: _Used, offset: int) -> list[Range]:
    wanted = min(STRETCH, disk.size - offset)
    # A window may reach beyond the end of its file.
    data = read_fully(disk.fd, wanted, disk.offset + offset).ljust(wanted, b"\0")
    view = memoryview(data)
    return [
        (
            (offset + start) // BLOCK,
            (offset + end - 1) // BLOCK,
            hashlib.sha256(view[start:end]).hexdigest(),
        )
        for start, end in _filled(data, used.within(offset))
    ]


def _filled(data: bytes, used: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells that are in use, or not zero."""
    begun = -1
    for start in range(0, len(data), CELL):
        empty = start not in used and is_zero(data, start, min(len(data), start + CELL))
        if empty and begun >= 0:
            yield begun, start
            begun = -1
        elif not empty and begun < 0:
            begun = start
    if begun >= 0:
        yield begun, len(data)
