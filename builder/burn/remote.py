"""An image that is burned while it is downloaded, without a local copy.

Its exact size has to be known before a card is touched. A raw disk, an archive and an .xz file
have it (the last at its end, which is requested by a range); for others, the block map beside it is
read. Its digest, and whether the signature matches, is known only when all was read: the card stays
blank until then. The signature file itself is verified before.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from builder.addresses import shown
from builder.burn.chunks import Run
from builder.burn.signature import MinisignKey
from builder.burn.signed import DIGEST, SignedDigest, expected_digest, read_signed_digest
from builder.burn.source import BurnImage, check_head, iter_filled
from builder.digests import check_found
from builder.errors import DigestMismatch, FetchError, FormatError
from builder.fetch.streaming import iter_file, read_size, read_small, read_with_retries
from builder.formats import bmap, xz
from builder.formats.compression import Compression, sniff, unpack_head
from builder.formats.disk import KIB, MIB
from builder.formats.disk_tar import is_tar, open_tar
from builder.formats.streaming import iter_unpacked_pieces
from builder.progress import Progress
from builder.structs import Struct, field
from builder.sums import SUMS

_HEAD = 256 * KIB
_TAIL = MIB
_PLAIN = "!$&'()*+,;=:@"
"""Characters that a path need not escape (RFC 3986, 3.3)."""


def is_address(text: str) -> bool:
    """Return whether a text is an address, not a path."""
    return text.startswith(("http://", "https://"))


class _Download(Struct):
    """A file at an address, and the digests that it must have."""

    url: str
    progress: Progress
    wanted: str = ""
    signed: SignedDigest | None = None
    found: Mapping[str, str] = field(default_factory=lambda: {"sha256": "", DIGEST: ""})
    size: int = 0

    @property
    def name(self) -> str:
        """Name for messages."""
        return shown(self.url)

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the file, and hash it meanwhile."""
        names = ["sha256", DIGEST] if self.signed and self.signed.signature else ["sha256"]
        digests = {name: hashlib.new(name) for name in names}
        for piece in iter_file(self.url, self.progress):
            for digest in digests.values():
                digest.update(piece)
            yield piece
        self.found = {name: digest.hexdigest() for name, digest in digests.items()}

    def runs(self, *, in_tar: bool) -> Iterator[Run]:
        """Yield the data of the disk in the file that is not zero."""
        with closing(self.pieces()) as pieces:
            unpacked = iter_unpacked_pieces(pieces, name=self.name)
            if in_tar:
                _, runs = open_tar(unpacked, name=self.name)
                yield from runs
            else:
                yield from iter_filled(_of_size(unpacked, self.size, self.name))
            for _ in pieces:  # padding: the digest covers the whole file
                pass

    def check(self) -> None:
        """Compare the digests of the file that was read."""
        if self.signed:
            self.signed.check(self.found, self.name)
        if self.wanted:
            check_found(self.name, {"sha256": self.wanted}, self.found, self.name)


def open_address(
    url: str, sha256: str, keys: Sequence[MinisignKey], progress: Progress
) -> BurnImage:
    """Open an image at an address.

    ``sha256`` is the expected digest, empty for any; one of ``keys`` must have signed it.

    Raises:
        DigestMismatch: it is not signed, or the signature is not valid.
        FetchError: it cannot be fetched.
        FormatError: it is not a disk, or its size is not known.
    """
    download = _Download(url, progress, expected_digest(shown(url), sha256, None))
    head, inside = _look(url, progress)
    if keys:
        download.signed = _read_signed(url, keys, progress)
        download.wanted = expected_digest(download.name, sha256, download.signed)
    in_tar = is_tar(inside)
    if in_tar:
        with closing(iter_file(url, progress)) as pieces:
            member, _ = open_tar(
                iter_unpacked_pieces(pieces, name=download.name), name=download.name
            )
        download.size = member.size
    else:
        check_head(inside, download.name)
        download.size = _size(url, sniff(head), progress, download.name)
    key = hashlib.sha256(f"{url} {sha256 or download.size}".encode()).hexdigest()
    return BurnImage(
        download.name,
        download.size,
        mapped=None,
        key=key,
        iter_runs=partial(download.runs, in_tar=in_tar),
        check=download.check,
        digest=lambda: download.found.get("sha256", ""),
        signer=download.signed.signer if download.signed else None,
    )


def _read_signed(url: str, keys: Sequence[MinisignKey], progress: Progress) -> SignedDigest:
    """Return the verified content of the signature beside an image."""
    name = _name(url)
    signed = read_signed_digest(
        name, lambda each: read_with_retries(_beside(url, each), progress), keys
    )
    if signed.map:
        raise DigestMismatch(
            f"{name}: is not signed: {SUMS} is, but lists only its block map, which cannot verify "
            "a stream",
            hint="compress the image, sign it directly, or download it with its map and burn that",
        )
    return signed


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _beside(url: str, name: str) -> str:
    """Return the address of a file beside another; the query stays."""
    parts = urlsplit(url)
    path = f"{parts.path.rpartition('/')[0]}/{quote(name, safe=_PLAIN)}"
    return urlunsplit(parts._replace(path=path))


def _look(url: str, progress: Progress) -> tuple[bytes, bytes]:
    """Return the beginning of a file, and the beginning of its unpacked content."""
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
            f"{name}: the size of the disk in it is not known",
            hint="put its block map (.bmap) beside it, or download the file and burn that",
        )
    return found


def _xz_size(url: str, length: int, progress: Progress, name: str) -> int | None:
    """Return the size in the index of an .xz file, when the server can send its end alone."""
    start = max(0, length - _TAIL)
    try:
        tail = b"".join(iter_file(url, progress, start=start))
    except FetchError:
        return None  # the server sends no ranges

    def read(count: int, offset: int) -> bytes:
        if offset < start:
            raise LookupError
        return tail[offset - start : offset - start + count]

    try:
        return xz.read_size(read, length, name=name)
    except LookupError:
        return None


def _of_size(pieces: Iterator[bytes], size: int, name: str) -> Iterator[bytes]:
    """Yield pieces; raise unless they have ``size`` bytes together."""
    count = 0
    for piece in pieces:
        count += len(piece)
        if count > size:
            break
        yield piece
    if count != size:
        found = "more" if count > size else f"only {count}"
        raise FormatError(
            f"{name}: unpacks to {found} bytes; wanted {size}, the size that it reports"
        )
