"""A tar archive that holds a disk image and nothing else, as clouds take them.

Sources: POSIX.1-2008 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format" and
"Storing Sparse Files"; Google Cloud, "Manually import virtual disks": a gzip-compressed tar in
the old GNU format with the single member disk.raw.

The archive is read as a stream, once. Does not read archives with a second file.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator

from builder.errors import FormatError
from builder.formats import magic
from builder.formats.disk import MIB, SECTOR
from builder.formats.foreign_disks import check_head
from builder.formats.mbr import has_boot_signature
from builder.formats.size_limit import SizeLimit
from builder.formats.sparse import LARGEST_DISK, write_sparse
from builder.formats.stream import truncate
from builder.structs import Struct

_HEAD = 4 * MIB
"""What is looked at to find the disk: headers, and the map of a sparse file."""
_TAIL_LIMIT = 16 * MIB
_DAMAGED = (tarfile.TarError, ValueError, OverflowError, IndexError, EOFError, RecursionError)
_TRUNCATED = "the file may be truncated: download it again"


class DiskMember(Struct, frozen=True):
    """The disk in an archive.

    Attributes:
        name: As stored.
        size: Length of the disk.
        start: First byte of its content in the archive.
        extents: Offset in the disk and length of each run of the stored content.
    """

    name: str
    size: int
    start: int
    extents: tuple[tuple[int, int], ...]

    @property
    def stored_size(self) -> int:
        """Length of what is stored of it."""
        return sum(length for _, length in self.extents)


def is_tar(head: bytes) -> bool:
    """Return whether a file is a tar archive, by its first header."""
    return magic.TAR.matches(head)


def find_disk(head: bytes) -> DiskMember | None:
    """Return the disk that an archive begins with, ``None`` if it is something else."""
    if not is_tar(head):
        return None
    try:
        member = _first_file(head)
    except _DAMAGED:
        return None
    if member is None or not has_boot_signature(head[member.start : member.start + SECTOR]):
        return None
    return member


def unpack_tar(pieces: Iterable[bytes], fd: int, *, name: str) -> DiskMember:
    """Unpack the disk of an archive into an empty file, without writing zeros.

    Args:
        pieces: The archive, in pieces of 1 MiB at most.
        fd: The file.
        name: For messages.

    Raises:
        FormatError: the archive is damaged, cut short, or holds something else.
    """
    member, runs = open_tar(pieces, name=name)
    for offset, data in runs:
        write_sparse(fd, data, offset)
    truncate(fd, member.size)
    return member


def open_tar(
    pieces: Iterable[bytes], *, name: str
) -> tuple[DiskMember, Iterator[tuple[int, bytes]]]:
    """Return the disk of an archive, and its offsets and bytes as they come out of the stream.

    Raises:
        FormatError: the archive holds something else; while reading: it is damaged or cut short.
    """
    stream = _Stream(iter(pieces), name)
    head = stream.peek(_HEAD)
    member = _check_disk(head, name)
    bound = SizeLimit(head[member.start :], name=name)
    bound.check_size(member.size)
    return member, _iter_disk(stream, member, bound, name)


def _iter_disk(
    stream: "_Stream", member: DiskMember, bound: SizeLimit, name: str
) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of what is stored of a disk, and check what follows it."""
    stream.skip(member.start)
    for offset, length in member.extents:
        _check_extent(member, offset, length, name)
        at = offset
        for data in stream.iter_exact(length):
            bound.admit(at, data)
            yield at, data
            at += len(data)
    stream.skip(-member.stored_size % SECTOR)
    _check_rest(stream, name)


def format_header(member: str, size: int, mtime: int) -> bytes:
    """Return the header before a disk, in the old GNU format that Google asks for."""
    entry = tarfile.TarInfo(member)
    entry.size, entry.mtime, entry.mode = size, mtime, 0o644
    entry.uname = entry.gname = "root"
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def format_trailer(size: int, header: bytes) -> bytes:
    """Return what follows a disk of ``size`` bytes up to the end of the archive."""
    padding = -size % SECTOR
    end = len(header) + size + padding + 2 * SECTOR
    return bytes(padding + 2 * SECTOR + -end % tarfile.RECORDSIZE)


class _Stream:
    """Pieces that are read on demand."""

    def __init__(self, pieces: Iterator[bytes], name: str) -> None:
        self._pieces = pieces
        self._held = b""
        self._name = name

    def peek(self, length: int) -> bytes:
        """Return the next ``length`` bytes, fewer at the end, and keep them."""
        parts = [self._held]
        count = len(self._held)
        while count < length and (piece := next(self._pieces, b"")):
            parts.append(piece)
            count += len(piece)
        self._held = b"".join(parts)
        return self._held

    def iter_exact(self, length: int) -> Iterator[bytes]:
        """Yield exactly ``length`` bytes in pieces of 1 MiB at most."""
        while length:
            piece = self._held or next(self._pieces, b"")
            if not piece:
                raise FormatError(
                    f"{self._name}: ends {length} bytes before the end of the disk",
                    hint=_TRUNCATED,
                )
            size = min(length, MIB)
            self._held = piece[size:]
            piece = piece[:size]
            length -= len(piece)
            yield piece

    def skip(self, length: int) -> None:
        """Skip bytes."""
        for _ in self.iter_exact(length):
            pass

    def rest(self) -> Iterator[bytes]:
        """Yield what is left."""
        if self._held:
            yield self._held
        yield from self._pieces


def _check_disk(head: bytes, name: str) -> DiskMember:
    """Return the disk of an archive, or say what is wrong."""
    try:
        member = _first_file(head)
    except _DAMAGED as error:
        raise FormatError(f"{name}: not a valid tar archive: {error}", hint=_TRUNCATED) from error
    if member is None:
        raise FormatError(f"{name}: the archive contains no file; expected a disk image")
    check_head(head[member.start :], name=f"{name}: {member.name}")
    if member.size > LARGEST_DISK:
        raise FormatError(f"{name}: a disk of {member.size} bytes; wanted 2 TiB at most")
    return member


def _first_file(head: bytes) -> DiskMember | None:
    """Return the first member that is no directory."""
    with tarfile.open(fileobj=io.BytesIO(head), mode="r:") as archive:
        entry = archive.next()
        while entry is not None and entry.isdir():
            entry = archive.next()
        if entry is None:
            return None
        if not entry.isreg():
            raise ValueError(f"{entry.name} is not a regular file")
        sparse = getattr(entry, "sparse", None)
        extents = ((0, entry.size),) if sparse is None else tuple(sparse)
        return DiskMember(entry.name, entry.size, entry.offset_data, extents)


def _check_extent(member: DiskMember, offset: int, length: int, name: str) -> None:
    """Refuse a map of a sparse file that leaves the file."""
    if offset < 0 or length < 0 or offset + length > member.size:
        raise FormatError(
            f"{name}: {member.name}: a run from {offset} to {offset + length} in a file of "
            f"{member.size} bytes"
        )


def _check_rest(stream: _Stream, name: str) -> None:
    """Refuse an archive that goes on behind the disk."""
    count = 0
    for piece in stream.rest():
        count += len(piece)
        if any(piece[:SECTOR]) or piece.count(0) != len(piece):
            raise FormatError(
                f"{name}: something follows the disk in the archive; wanted the disk alone",
                hint="unpack it, and use the disk image",
            )
        if count > _TAIL_LIMIT:
            raise FormatError(f"{name}: more than {_TAIL_LIMIT} zeros follow the disk")
    if count < SECTOR:
        raise FormatError(f"{name}: the archive ends without its block of zeros", hint=_TRUNCATED)
