"""The image that is burned, read in a stream: packed or not, in a tar or not, never unpacked first.

What it is packed in is told from the bytes. Its exact size is known before a card is touched: from
the file itself, from its block map, or, for gzip, which does not say, by reading it through once.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from builder.burn.beside import read_beside
from builder.burn.chunks import SHORTEST_GAP, Run
from builder.burn.signature import Signed
from builder.digests import verify_file
from builder.errors import FormatError, HostError
from builder.formats import compression, magic
from builder.formats.compression import Compression, iter_unpacked, sniff
from builder.formats.disk import KIB, MIB, SECTOR
from builder.formats.disk_tar import is_tar, open_tar
from builder.formats.magic import Group
from builder.formats.mbr import has_boot_signature, is_protective
from builder.formats.memory import MemoryDisk
from builder.formats.partitions import describe_other
from builder.formats.reading import read_fully
from builder.formats.size_limit import SizeLimit
from builder.formats.sparse import LARGEST_DISK, is_zero, iter_data
from builder.formats.stream import BackgroundDigest, Span
from builder.host import refusal
from builder.progress import Progress
from builder.structs import Struct, replace
from builder.sums import SUMS, parse_sums

_HEAD = 64 * KIB
_FULL = 0.9
"""A file with more than this share of its size on the disk is no sparse file."""


class Image(Struct, frozen=True):
    """An image that can be read from its beginning, as often as need be.

    Attributes:
        name: For messages.
        size: Of the disk in it, in bytes.
        mapped: How many of them are read; ``None`` when that is not known before.
        key: Tells this image from any other.
        iter_runs: Yields what is not zero, in ascending order.
        path: The file; ``None`` for an address.
        is_raw: Whether the file is the disk itself.
        prove: Complains when what was read is not what it should be; called when all was read.
        digest: Gives the SHA-256 of the file when all was read, empty when it is not known.
        signed: By whom it is signed; ``None`` when that was not checked.
    """

    name: str
    size: int
    mapped: int | None
    key: str
    iter_runs: Callable[[], Iterator[Run]]
    path: Path | None = None
    is_raw: bool = False
    prove: Callable[[], None] = lambda: None
    digest: Callable[[], str] = str
    signed: Signed | None = None


@contextmanager
def open_source(path: Path, progress: Progress) -> Iterator[Image]:
    """Open an image of this machine.

    Raises:
        FormatError: it is damaged, or no disk; says what it is.
        HostError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            fd = stream.fileno()
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise HostError(f"{path}: is not a regular file; wanted one")
            key = f"{path.name} {status.st_size} {status.st_mtime_ns}"
            if sniff(read_fully(fd, SECTOR, 0), name=path.name) is Compression.NONE:
                head = read_fully(fd, _HEAD, 0)
                if not is_tar(head):
                    check_head(head, path.name)
                    yield _raw(path, fd, key)
                    return
            yield _packed(path, key, progress)
    except OSError as error:
        raise refusal(error, path) from error


def check_head(head: bytes, name: str) -> None:
    """Refuse what does not begin as a disk that boots.

    Raises:
        FormatError: says what it looks like.
    """
    sector = head[:SECTOR].ljust(SECTOR, b"\0")
    if has_boot_signature(sector) and is_protective(sector):
        return
    found = describe_other(MemoryDisk(head.ljust(SECTOR, b"\0"), name=name), sector)
    if not found:
        return
    found = _looks_like(head) or found
    raise FormatError(
        f"{name}: no image of a disk: {found}",
        hint="wanted a disk with an MBR or a GPT, as targets like rpi3 make it",
    )


def check_published(image: Image, sha256: str) -> str:
    """Check a file against the digest that is given or lies beside it; return what was checked.

    Raises:
        DigestMismatch: it is another, or damaged.
    """
    if image.path is None:
        return ""
    wanted = sha256 or read_published(image.path)
    if wanted:
        verify_file(image.path, {"sha256": wanted})
    return wanted


def read_published(path: Path) -> str:
    """Return the digest that ``SHA256SUMS`` beside a file has of it, empty when there is none.

    Raises:
        HostError: there is one, and it cannot be read.
    """
    content = read_beside(path, SUMS)
    return parse_sums(content.decode("utf-8", "replace")).get(path.name, "") if content else ""


@contextmanager
def digested(image: Image, known: str) -> Iterator[Image]:
    """Give an image that tells its digest: the one that was checked, or one computed meanwhile.

    That of a sparse file is not computed: hashing what it leaves empty takes longer than burning.
    """
    if known or image.path is None or image.mapped is not None:
        yield replace(image, digest=lambda: known)
        return
    hashing = BackgroundDigest(image.path, "sha256")
    try:
        yield replace(image, digest=hashing.hexdigest)
    finally:
        hashing.stop()


def iter_filled(pieces: Iterator[bytes]) -> Iterator[Run]:
    """Yield offset and bytes of the pieces of a stream that are not zero.

    Raises:
        FormatError: there is no end to it.
    """
    offset = 0
    for piece in pieces:
        if not is_zero(piece):
            yield offset, piece
        offset += len(piece)
        if offset > LARGEST_DISK:
            raise FormatError("the image unpacks to more than 2 TiB; wanted a disk image")


def joined_extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Return offset and length of what is there of a sparse file; short holes are read, too."""
    joined: list[tuple[int, int]] = []
    for offset, length in iter_data(fd, 0, size):
        if joined and offset - sum(joined[-1]) <= SHORTEST_GAP:
            joined[-1] = joined[-1][0], offset + length - joined[-1][0]
        else:
            joined.append((offset, length))
    return joined


def iter_spans(fd: int, extents: list[tuple[int, int]]) -> Iterator[Run]:
    """Yield the parts of a sparse file that are there."""
    yield from ((at, Span(fd, at, length)) for at, length in extents)


def _raw(path: Path, fd: int, key: str) -> Image:
    """Return a disk as it is: holes are passed over, everything else is read."""
    status = os.fstat(fd)
    size = status.st_size
    if status.st_blocks * SECTOR > size * _FULL:
        return Image(path.name, size, None, key, partial(_iter_looked_at, fd), path, is_raw=True)
    extents = joined_extents(fd, size)
    mapped = sum(length for _, length in extents)
    return Image(path.name, size, mapped, key, partial(iter_spans, fd, extents), path, is_raw=True)


def _packed(path: Path, key: str, progress: Progress) -> Image:
    """Return a disk that is compressed, in a tar, or both."""
    with closing(iter_unpacked(path)) as pieces:
        head = b""
        while len(head) < _HEAD and (piece := next(pieces, b"")):
            head += piece
    if is_tar(head):
        with closing(iter_unpacked(path)) as pieces:
            member, _ = open_tar(pieces, name=path.name)
        return Image(path.name, member.size, None, key, partial(_iter_tar, path), path)
    check_head(head, path.name)
    size = _unpacked_size(path, SizeLimit(head, name=path.name), progress)
    return Image(path.name, size, None, key, partial(_iter_plain, path), path)


def _iter_looked_at(fd: int) -> Iterator[Run]:
    """Yield what is not zero of a file without holes."""
    yield from iter_filled(_iter_pieces(fd))


def _iter_plain(path: Path) -> Iterator[Run]:
    """Yield what is not zero of a compressed disk."""
    with closing(iter_unpacked(path)) as pieces:
        yield from iter_filled(pieces)


def _iter_pieces(fd: int) -> Iterator[bytes]:
    """Yield a file from its beginning."""
    offset = 0
    while piece := read_fully(fd, MIB, offset):
        yield piece
        offset += len(piece)


def _iter_tar(path: Path) -> Iterator[Run]:
    """Yield what is not zero of the disk in an archive."""
    with closing(iter_unpacked(path)) as pieces:
        _, runs = open_tar(pieces, name=path.name)
        yield from ((offset, data) for offset, data in runs if not is_zero(data))


def _unpacked_size(path: Path, bound: SizeLimit, progress: Progress) -> int:
    """Return the exact size of what a file unpacks to, if it is not endless."""
    size = compression.read_size(path)
    if size is not None:
        bound.check_size(size)
        return size
    total = 0
    with progress.count(f"measuring {path.name}", None) as advance:
        for piece in iter_unpacked(path):
            total += len(piece)
            bound.check_size(total)
            advance(len(piece))
    return total


def _looks_like(head: bytes) -> str:
    """Say what a file is that is no disk, empty when nobody knows."""
    if not head:
        return "the file is empty"
    kind = magic.identify(head)
    if kind is not None and kind.group not in (Group.MEDIUM, Group.FILESYSTEM):
        return f"it is {kind.noun}"
    start = head[:4096]
    if b"\0" not in start and sum(byte < 32 and byte not in b"\t\n\r" for byte in start) == 0:  # noqa: PLR2004 - control characters
        return "it is a text"
    return ""
