"""An image that is burned straight from an address, without a copy on this machine.

Its exact size has to be known before a card is touched. A raw disk, an archive and an .xz file say
it themselves (the last at its end, which is asked for alone); for others, its block map is looked
for beside it. Its digest, and whether it is what was signed, is known only when all has passed:
the card stays blank until then. The signature itself is there and proved before.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from builder.addresses import shown
from builder.burn.chunks import Run
from builder.burn.signature import Key
from builder.burn.signed import DIGEST, Promise, agree, read_promise
from builder.burn.source import Image, check_head, iter_filled
from builder.digests import check_found
from builder.errors import DigestMismatch, FetchError, FormatError
from builder.fetch.streaming import iter_file, read_size, read_small, read_with_retries
from builder.formats import bmap, xz
from builder.formats.compression import Compression, sniff, unpack_head
from builder.formats.disk import KIB, MIB
from builder.formats.disk_tar import is_tar, open_tar
from builder.formats.streaming import iter_unpacked_pieces
from builder.progress import Progress
from builder.structs import Struct, field, replace
from builder.sums import SUMS

_HEAD = 256 * KIB
_TAIL = MIB
_PLAIN = "!$&'()*+,;=:@"
"""What may stand in a path as it is (RFC 3986, 3.3), besides what no address escapes."""


def is_address(text: str) -> bool:
    """Tell an address from a path."""
    return text.startswith(("http://", "https://"))


class _Passage(Struct):
    """One file at an address and what it must be."""

    url: str
    progress: Progress
    wanted: str = ""
    promise: Promise | None = None
    found: Mapping[str, str] = field(default_factory=lambda: {"sha256": "", DIGEST: ""})
    size: int = 0

    @property
    def name(self) -> str:
        """For messages."""
        return shown(self.url)

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the file, and digest it on its way."""
        names = ["sha256", DIGEST] if self.promise and self.promise.signature else ["sha256"]
        digests = {name: hashlib.new(name) for name in names}
        for piece in iter_file(self.url, self.progress):
            for digest in digests.values():
                digest.update(piece)
            yield piece
        self.found = {name: digest.hexdigest() for name, digest in digests.items()}

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
        """Compare the digests of what has passed."""
        if self.promise:
            self.promise.check(self.found, self.name)
        if self.wanted:
            check_found(self.name, {"sha256": self.wanted}, self.found, self.name)


def open_address(url: str, sha256: str, keys: Sequence[Key], progress: Progress) -> Image:
    """Look at an image at an address.

    Args:
        url: Where it is.
        sha256: What its digest must be; empty: any.
        keys: One of them must have signed it; none: nobody.
        progress: Where troubles are shown.

    Raises:
        DigestMismatch: it is not signed, or its signature is not what it should be.
        FetchError: it is not to be had.
        FormatError: it is no disk, or does not tell its size.
    """
    passage = _Passage(url, progress, agree(shown(url), sha256, None))
    head, inside = _look(url, progress)
    if keys:
        passage.promise = _read_promise(url, keys, progress)
        passage.wanted = agree(passage.name, sha256, passage.promise)
    in_tar = is_tar(inside)
    if in_tar:
        with closing(iter_file(url, progress)) as pieces:
            member, _ = open_tar(iter_unpacked_pieces(pieces, name=passage.name), name=passage.name)
        passage.size = member.size
    else:
        check_head(inside, passage.name)
        passage.size = _size(url, sniff(head), progress, passage.name)
    key = hashlib.sha256(f"{url} {sha256 or passage.size}".encode()).hexdigest()
    runs = partial(passage.runs, in_tar=in_tar)
    image = Image(passage.name, passage.size, None, key, runs, prove=passage.check)
    signed = passage.promise.signed if passage.promise else None
    return replace(image, digest=lambda: passage.found.get("sha256", ""), signed=signed)


def _read_promise(url: str, keys: Sequence[Key], progress: Progress) -> Promise:
    """Return what the signature beside an image says of it."""
    name = _name(url)
    promise = read_promise(name, lambda each: read_with_retries(_beside(url, each), progress), keys)
    if promise.map:
        raise DigestMismatch(
            f"{name}: is not signed: {SUMS} is, but lists its block map alone, and a stream is not "
            "compared with that",
            hint="pack the image, sign it itself, or download it with its map and burn the file",
        )
    return promise


def _name(url: str) -> str:
    """Return the name of the file at an address."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _beside(url: str, name: str) -> str:
    """Return the address of a file that lies beside another; what follows a ``?`` stays."""
    parts = urlsplit(url)
    path = f"{parts.path.rpartition('/')[0]}/{quote(name, safe=_PLAIN)}"
    return urlunsplit(parts._replace(path=path))


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
    if found is None and (text := read_small(_beside(url, f"{_name(url)}.bmap"))) is not None:
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
