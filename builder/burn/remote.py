"""An image that is burned straight from an address, without a copy on this machine.

Its exact size has to be known before a card is touched. A raw disk, an archive and an .xz file say
it themselves (the last at its end, which is asked for alone); for others, its block map is looked
for beside it. Its digest can be checked only when all has passed: the card stays blank until then.
"""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial

from builder.burn.chunks import Run
from builder.burn.source import Image, check_head, iter_filled
from builder.digests import check_digests, check_found
from builder.errors import FetchError, FormatError
from builder.fetch.addresses import shown
from builder.fetch.passing import iter_file, read_size, read_small
from builder.formats import bmap, xz
from builder.formats.compression import Compression, sniff, unpack_head
from builder.formats.disk import KIB, MIB
from builder.formats.disk_tar import is_tar, open_tar
from builder.formats.passing import iter_unpacked_pieces
from builder.progress import Progress
from builder.structs import Struct

_HEAD = 256 * KIB
_TAIL = MIB


def is_address(text: str) -> bool:
    """Tell an address from a path."""
    return text.startswith(("http://", "https://"))


class _Passage(Struct):
    """One file at an address and what it must be."""

    url: str
    progress: Progress
    wanted: dict[str, str]
    found: str = ""
    size: int = 0

    @property
    def name(self) -> str:
        """For messages."""
        return shown(self.url)

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the file, and digest it on its way."""
        digest = hashlib.sha256()
        for piece in iter_file(self.url, self.progress):
            digest.update(piece)
            yield piece
        self.found = digest.hexdigest()

    def runs(self, *, in_tar: bool) -> Iterator[Run]:
        """Yield what is not zero of the disk in the file."""
        with closing(self.pieces()) as pieces:
            unpacked = iter_unpacked_pieces(pieces, name=self.name)
            if in_tar:
                _, runs = open_tar(unpacked, name=self.name)
                yield from runs
            else:
                yield from iter_filled(_of_size(unpacked, self.size, self.name))
            for _ in pieces:  # padding: the digest is that of the whole file
                pass

    def check(self) -> None:
        """Compare the digest of what has passed."""
        if self.wanted:
            check_found(self.name, self.wanted, {"sha256": self.found}, self.name)


def open_address(url: str, sha256: str, progress: Progress) -> Image:
    """Look at an image at an address.

    Args:
        url: Where it is.
        sha256: What its digest must be; empty: any.
        progress: Where troubles are shown.

    Raises:
        FetchError: it is not to be had.
        FormatError: it is no disk, or does not tell its size.
    """
    wanted = check_digests({"sha256": sha256} if sha256 else {})
    passage = _Passage(url, progress, wanted)
    head, inside = _look(url, progress)
    in_tar = is_tar(inside)
    if in_tar:
        with closing(iter_file(url, progress)) as pieces:
            member, _ = open_tar(iter_unpacked_pieces(pieces, name=passage.name), name=passage.name)
        passage.size = member.size
    else:
        check_head(inside, passage.name)
        passage.size = _size(url, sniff(head), progress, passage.name)
    runs = partial(passage.runs, in_tar=in_tar)
    key = f"{url} {sha256 or passage.size}"
    return Image(passage.name, passage.size, None, key, runs, prove=passage.check,
                 digest=lambda: passage.found)  # fmt: skip


def _look(url: str, progress: Progress) -> tuple[bytes, bytes]:
    """Return the beginning of a file, and of what it unpacks to."""
    head = b""
    with closing(iter_file(url, progress)) as pieces:
        while len(head) < _HEAD and (piece := next(pieces, b"")):
            head += piece
    return head, unpack_head(head)


def _size(url: str, kind: Compression, progress: Progress, name: str) -> int:
    """Return the exact size of the disk in a file."""
    length = read_size(url)
    found = length if kind is Compression.NONE else None
    if kind is Compression.XZ and length is not None:
        found = _xz_size(url, length, progress, name)
    if found is None and (text := read_small(f"{url}.bmap")) is not None:
        found = bmap.read_size(text.decode("utf-8", "replace"))
    if found is None:
        raise FormatError(
            f"{name}: does not tell how large the disk in it is",
            hint="put its block map (.bmap) beside it, or download the file and burn that",
        )
    return found


def _xz_size(url: str, length: int, progress: Progress, name: str) -> int | None:
    """Return what the index at the end of an .xz file says, when its end can be asked for."""
    start = max(0, length - _TAIL)
    try:
        tail = b"".join(iter_file(url, progress, start=start))
    except FetchError:
        return None  # it cannot be asked for its end alone

    def read(count: int, offset: int) -> bytes:
        if offset < start:
            raise LookupError
        return tail[offset - start : offset - start + count]

    try:
        return xz.read_size(read, length, name=name)
    except LookupError:
        return None


def _of_size(pieces: Iterator[bytes], size: int, name: str) -> Iterator[bytes]:
    """Yield pieces that have to be so many bytes together."""
    count = 0
    for piece in pieces:
        count += len(piece)
        if count > size:
            break
        yield piece
    if count != size:
        found = "more" if count > size else f"only {count}"
        raise FormatError(f"{name}: unpacks to {found} bytes; wanted {size}, as it says of itself")
