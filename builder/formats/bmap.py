"""A block map: which blocks of a disk image hold something, and what their digests are.

Source: bmap-tools, "bmap file format", version 2.0: XML that names ranges of blocks of 4096 bytes,
each with the SHA-256 of its content, and that has a digest of itself. bmaptool(1) and its likes
write only those ranges to a card and check them while they do.

Does not read block maps, but for the size of the image.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

from builder.formats.disk import KIB
from builder.formats.sparse import Window, iter_cells

BLOCK = 4 * KIB
_NO_DIGEST = "0" * 64
_SIZE = re.compile(r"<ImageSize>\s*([0-9]{1,18})\s*</ImageSize>")

_Range = tuple[int, int, str]
"""First block, last block, SHA-256."""


def make_bmap(disk: Window) -> str:
    """Return the block map of a disk image; the same content gives the same text."""
    ranges = list(_iter_ranges(disk))
    mapped = sum(last - first + 1 for first, last, _ in ranges)
    text = _format(disk.size, mapped, ranges)
    return text.replace(_NO_DIGEST, hashlib.sha256(text.encode()).hexdigest(), 1)


def read_size(text: str) -> int | None:
    """Return the size of the image that a block map says, ``None`` when it says none."""
    found = _SIZE.search(text)
    return int(found[1]) if found else None


def _format(size: int, mapped: int, ranges: Iterable[_Range]) -> str:
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


def _iter_ranges(disk: Window) -> Iterator[_Range]:
    """Yield the ranges that hold something, with their digests."""
    digest, start, end = hashlib.sha256(), 0, 0
    for offset, data in iter_cells(disk):
        if offset != end and end > start:
            yield start // BLOCK, (end - 1) // BLOCK, digest.hexdigest()
            digest, start = hashlib.sha256(), offset
        elif end == start:
            start = offset
        digest.update(data)
        end = offset + len(data)
    if end > start:
        yield start // BLOCK, (end - 1) // BLOCK, digest.hexdigest()
