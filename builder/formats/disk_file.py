"""Packed disk images: compressed, in a tar, as VHD, or any combination.

The packing is detected from the content, not from the name. Unpacking writes a sparse file, without
ever writing zeros. Does not read disks inside of virtual appliances.
"""

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from builder.formats.compression import Compression, iter_unpacked, sniff, unpack_head
from builder.formats.disk import SECTOR
from builder.formats.disk_tar import find_disk, is_tar, unpack_tar
from builder.formats.foreign_disks import check_head
from builder.formats.mbr import has_boot_signature
from builder.formats.parallel import iter_ahead
from builder.formats.reading import read_fully
from builder.formats.size_limit import SizeLimit
from builder.formats.sparse import SparseDisk, Window, copy_sparse, iter_told, write_sparse
from builder.formats.stream import truncate
from builder.formats.vhd import FOOTER_SIZE, Footer, is_vhd, parse_footer
from builder.host import refusal
from builder.progress import Advance
from builder.structs import Struct


class Packed(Struct, frozen=True):
    """How a disk is packed.

    Attributes:
        compression: Around everything.
        member: Name of the disk in its tar, empty when there is none.
        footer: That of a VHD.
    """

    compression: Compression
    member: str
    footer: Footer | None

    @property
    def name(self) -> str:
        """The usual file suffix, such as ``vhd.tar.gz``."""
        words = ["vhd" if self.footer else "raw", "tar" if self.member else ""]
        words.append("" if self.compression is Compression.NONE else self.compression)
        return ".".join(filter(None, words))


def is_packed_disk(head: bytes) -> bool:
    """Return whether a file is a packed disk, by its first 256 KiB."""
    inside = unpack_head(head)
    if is_tar(inside):
        return find_disk(inside) is not None
    is_compressed = inside != head
    return is_compressed and has_boot_signature(inside[:SECTOR])


def is_packed_in_tar(path: Path) -> bool:
    """Return whether a file is a disk in a tar archive, compressed or not.

    Raises:
        FormatError: the file is damaged.
        HostError: it cannot be read.
    """
    return is_tar(_look(path)[1])


def unpack_disk(
    path: Path, fd: int, advance: Advance = lambda _: None
) -> tuple[SparseDisk, Packed]:
    """Unpack the disk in a file into an empty file.

    Args:
        path: The packed file.
        fd: Open for reading and writing; it is the disk afterwards.
        advance: Called with the number of unpacked bytes.

    Raises:
        FormatError: the file is damaged, cut short, or holds no disk.
    """
    compression, inside = _look(path)
    member = ""
    if is_tar(inside):
        with closing(iter_ahead(iter_told(iter_unpacked(path), advance))) as pieces:
            member = unpack_tar(pieces, fd, name=path.name).name
    else:
        check_head(inside, name=path.name)
        if compression is Compression.NONE:
            _copy(path, fd)
        else:
            with closing(iter_ahead(iter_told(iter_unpacked(path), advance))) as pieces:
                _write(pieces, fd, SizeLimit(inside, name=path.name))
    size = os.fstat(fd).st_size
    footer = read_footer(fd, size, name=path.name)
    if footer is not None:
        size = footer.size
        truncate(fd, size)
    return SparseDisk(fd, size, name=path.name), Packed(compression, member, footer)


def read_footer(fd: int, size: int, *, name: str) -> Footer | None:
    """Return the footer of a VHD, ``None`` when the file does not end with one."""
    if size < FOOTER_SIZE:
        return None
    tail = read_fully(fd, FOOTER_SIZE, size - FOOTER_SIZE)
    if not is_vhd(tail):
        return None
    return parse_footer(tail, disk_size=size - FOOTER_SIZE, name=name)


def _look(path: Path) -> tuple[Compression, bytes]:
    """Return how a file is compressed, and the beginning of what is in it."""
    with closing(iter_unpacked(path)) as pieces:
        inside = next(pieces, b"")
    try:
        with path.open("rb") as stream:
            return sniff(stream.read(SECTOR), name=path.name), inside
    except OSError as error:
        raise refusal(error, path) from error


def _copy(path: Path, fd: int) -> None:
    """Copy a raw disk, holes staying holes."""
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            copy_sparse(Window(stream.fileno(), 0, size), fd)
    except OSError as error:
        raise refusal(error, path) from error


def _write(pieces: Iterable[bytes], fd: int, limit: SizeLimit) -> None:
    """Write a stream, without its zeros."""
    offset = 0
    for piece in pieces:
        limit.admit(offset, piece)
        write_sparse(fd, piece, offset)
        offset += len(piece)
    truncate(fd, offset)
