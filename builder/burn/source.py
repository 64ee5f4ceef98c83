"""A local image, read as a stream: raw, compressed or in a tar, never unpacked first.

The compression is recognised by magic bytes. The exact size is known before a card is touched: from
the file itself, from its block map, or, for gzip, which has none, by reading it once.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from builder.burn.chunks import SHORTEST_GAP, Run
from builder.burn.signature import SignerInfo
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
from builder.host import FileState, host_errors, refusal, state_of
from builder.progress import Progress
from builder.structs import Struct, replace
from builder.sums import SUMS, parse_sums

_HEAD = 64 * KIB
_FULL = 0.9
"""A file with more than this share of its size allocated does not count as sparse."""
_LARGEST_BESIDE = 64 * MIB
"""Upper limit of a file beside an image: a block map of 2 TiB in ranges of 4 MiB is shorter."""


class BurnImage(Struct, frozen=True):
    """An image that can be read from its beginning any number of times.

    Attributes:
        name: Name for messages.
        size: Size of the disk in it, bytes.
        mapped: Number of bytes that are read; ``None`` when that is not known before.
        key: Identifies the image.
        iter_runs: Yields the data that is not zero, in ascending order.
        path: The file; ``None`` for an address.
        is_raw: Whether the file is the disk itself.
        check: Called when all was read: raises when it is not the expected image.
        digest: Returns the SHA-256 of the file when all was read, empty when unknown.
        signer: The verified signature; ``None`` when none was needed.
    """

    name: str
    size: int
    mapped: int | None
    key: str
    iter_runs: Callable[[], Iterator[Run]]
    path: Path | None = None
    is_raw: bool = False
    check: Callable[[], None] = lambda: None
    digest: Callable[[], str] = str
    signer: SignerInfo | None = None


@contextmanager
def open_source(path: Path, progress: Progress) -> Iterator[BurnImage]:
    """Open a local image.

    Raises:
        FormatError: it is damaged, or not a disk.
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
    """Refuse a file that does not begin with a partition table.

    Raises:
        FormatError: it does not; names the format that it seems to have.
    """
    sector = head[:SECTOR].ljust(SECTOR, b"\0")
    if has_boot_signature(sector) and is_protective(sector):
        return
    found = describe_other(MemoryDisk(head.ljust(SECTOR, b"\0"), name=name), sector)
    if not found:
        return
    found = _looks_like(head) or found
    raise FormatError(
        f"{name}: is not a disk image: {found}",
        hint="give a disk with an MBR or a GPT, such as the artifact of target rpi3",
    )


def check_published(path: Path, sha256: str) -> str:
    """Verify a file by the given digest, else by the published one; return it, empty for none.

    Raises:
        DigestMismatch: the file has another digest.
    """
    wanted = sha256 or read_published(path)
    if wanted:
        verify_file(path, {"sha256": wanted})
    return wanted


def read_published(path: Path) -> str:
    """Return a file's digest in the ``SHA256SUMS`` beside it, empty when there is none.

    Raises:
        HostError: the list cannot be read.
    """
    content = read_beside(path, SUMS)
    return parse_sums(content.decode("utf-8", "replace")).get(path.name, "") if content else ""


def read_beside(image: Path, name: str) -> bytes | None:
    """Return a small file in the folder of an image, ``None`` when it does not exist.

    Raises:
        HostError: it cannot be read, is not a regular file, or has more than 64 MiB.
    """
    beside = image.with_name(name)
    with host_errors(beside, hint="check its permissions"):
        try:
            if not stat.S_ISREG(beside.stat().st_mode):  # a pipe would block
                raise HostError(
                    f"{beside}: is not a regular file; wanted a text file",
                    hint=f"move it away from {image.name}",
                )
            with beside.open("rb") as stream:
                content = stream.read(_LARGEST_BESIDE + 1)
        except FileNotFoundError:
            return None
    if len(content) > _LARGEST_BESIDE:
        raise HostError(
            f"{beside}: has more than {_LARGEST_BESIDE} bytes; wanted a short text file",
            hint="download it again, or move it away",
        )
    return content


def check_unchanged(image: Path, before: FileState) -> None:
    """Compare a file with its state when it was verified.

    Raises:
        HostError: the file was replaced or written to.
    """
    if state_of(image) != before:
        raise HostError(
            f"{image}: was changed or replaced while it was read",
            hint="burn it again when no program writes to it",
        )


@contextmanager
def with_digest(image: BurnImage, known: str) -> Iterator[BurnImage]:
    """Yield an image that has its digest: the verified one, or one computed in the background.

    The digest of a sparse file is not computed: hashing its holes takes longer than burning.
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
        FormatError: the stream is longer than 2 TiB.
    """
    offset = 0
    for piece in pieces:
        if not is_zero(piece):
            yield offset, piece
        offset += len(piece)
        if offset > LARGEST_DISK:
            raise FormatError("the image unpacks to more than 2 TiB; wanted a disk image")


def joined_extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Return offset and length of the data of a sparse file; short holes count as data."""
    joined: list[tuple[int, int]] = []
    for offset, length in iter_data(fd, 0, size):
        if joined and offset - sum(joined[-1]) <= SHORTEST_GAP:
            joined[-1] = joined[-1][0], offset + length - joined[-1][0]
        else:
            joined.append((offset, length))
    return joined


def iter_spans(fd: int, extents: list[tuple[int, int]]) -> Iterator[Run]:
    """Yield the extents of a sparse file as runs."""
    yield from ((at, Span(fd, at, length)) for at, length in extents)


def _raw(path: Path, fd: int, key: str) -> BurnImage:
    status = os.fstat(fd)
    size = status.st_size
    if status.st_blocks * SECTOR > size * _FULL:
        return BurnImage(path.name, size, None, key, partial(_iter_dense, fd), path, is_raw=True)
    extents = joined_extents(fd, size)
    mapped = sum(length for _, length in extents)
    return BurnImage(
        path.name, size, mapped, key, partial(iter_spans, fd, extents), path, is_raw=True
    )


def _packed(path: Path, key: str, progress: Progress) -> BurnImage:
    with closing(iter_unpacked(path)) as pieces:
        head = b""
        while len(head) < _HEAD and (piece := next(pieces, b"")):
            head += piece
    if is_tar(head):
        with closing(iter_unpacked(path)) as pieces:
            member, _ = open_tar(pieces, name=path.name)
        return BurnImage(path.name, member.size, None, key, partial(_iter_tar, path), path)
    check_head(head, path.name)
    size = _unpacked_size(path, SizeLimit(head, name=path.name), progress)
    return BurnImage(path.name, size, None, key, partial(_iter_plain, path), path)


def _iter_dense(fd: int) -> Iterator[Run]:
    yield from iter_filled(_iter_pieces(fd))


def _iter_plain(path: Path) -> Iterator[Run]:
    with closing(iter_unpacked(path)) as pieces:
        yield from iter_filled(pieces)


def _iter_pieces(fd: int) -> Iterator[bytes]:
    offset = 0
    while piece := read_fully(fd, MIB, offset):
        yield piece
        offset += len(piece)


def _iter_tar(path: Path) -> Iterator[Run]:
    with closing(iter_unpacked(path)) as pieces:
        _, runs = open_tar(pieces, name=path.name)
        yield from ((offset, data) for offset, data in runs if not is_zero(data))


def _unpacked_size(path: Path, bound: SizeLimit, progress: Progress) -> int:
    """Return the exact unpacked size of a file, within the limit of ``bound``."""
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
    """Return what a file is that is not a disk, empty when unknown."""
    if not head:
        return "the file is empty"
    kind = magic.identify(head)
    if kind is not None and kind.group not in (Group.MEDIUM, Group.FILESYSTEM):
        return f"it is {kind.noun}"
    start = head[:4096]
    if b"\0" not in start and sum(byte < 32 and byte not in b"\t\n\r" for byte in start) == 0:  # noqa: PLR2004 - control characters
        return "it is a text file"
    return ""
