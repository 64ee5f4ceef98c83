"""Member table of an uncompressed tar archive, and headers for a new one.

Source: POSIX.1-2008 pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
"Basic Tar Format". The standard library decodes and encodes the blocks of 512 bytes; this
module walks them through a file descriptor without touching what lies between.

Reads USTAR, PAX and GNU archives. Writes USTAR headers, owned by root, and GNU ones where a
size or name does not fit. Does not read compressed archives, sparse or multi-volume members.
"""

import re
import tarfile
from collections.abc import Iterator

from builder.errors import FormatError
from builder.formats.disk import MIB, SECTOR
from builder.formats.reading import read_fully
from builder.structs import Struct, field

BLOCK = SECTOR
RECORD = 10_240
"""Archives end at a multiple of this, as tar(1) pads them."""

_META_LIMIT = MIB
_PADDING_LIMIT = 16 * MIB
_PIECE = MIB
_USTAR_SIZE = 8**11
_USTAR_NAME = 100
_PAX = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
_EXTENSIONS = {*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
_REGULAR = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_KINDS = {
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "FIFO",
    tarfile.GNUTYPE_SPARSE: "sparse file",
}
FILE = "file"
_NUMBER = re.compile("[0-9]{1,20}")


class Member(Struct, frozen=True):
    """One member of an archive.

    Attributes:
        name: As stored; bytes that are not UTF-8 are surrogate-escaped.
        offset: First byte of its content in the archive.
        size: Length of its content.
        mtime: Seconds since the epoch.
        kind: ``file``, or what it is instead.
    """

    name: str
    offset: int
    size: int
    mtime: int
    kind: str = FILE


class _Pending(Struct):
    """What extended headers say of the member that follows them."""

    name: str | None = None
    size: int | None = None
    mtime: int | None = None
    is_sparse: bool = False


class _Walk(Struct):
    """A position in an archive."""

    fd: int
    size: int
    name: str
    offset: int = 0
    pending: _Pending = field(default_factory=_Pending)

    def where(self) -> str:
        """Name the position for a message."""
        return f"{self.name}: header at byte {self.offset}"


def read_members(fd: int, size: int, *, name: str) -> tuple[Member, ...]:
    """Read the member table of the archive in the first ``size`` bytes of ``fd``.

    Raises:
        FormatError: it is not a tar archive, is truncated, or data follows its end.
    """
    walk = _Walk(fd, size, name)
    members = []
    while (header := _read_header(walk)) is not None:
        content = walk.offset + BLOCK
        if header.type in _EXTENSIONS:
            _read_extension(walk, header, content)
            what, length = "an extended header", header.size
        else:
            members.append(_make_member(walk, header, content))
            what, length = members[-1].name, members[-1].size
            walk.pending = _Pending()
        if content + length > size:
            raise FormatError(
                f"{name}: {what} ends at byte {content + length} of a file of {size}",
                hint="the file may be truncated: download it again",
            )
        walk.offset = content + padded(length)
    _check_end(walk)
    return tuple(members)


def format_header(name: str, size: int, *, mtime: int, mode: int = 0o644) -> bytes:
    """Return the header of a regular file that is root's."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, mtime, mode
    member.uname = member.gname = "root"
    length = len(name.encode("utf-8", "surrogateescape"))
    if size < _USTAR_SIZE and length <= _USTAR_NAME:
        return member.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padded(size: int) -> int:
    """Return ``size`` rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def _read_header(walk: _Walk) -> tarfile.TarInfo | None:
    """Return the header at the position, ``None`` for the block of zeros that ends an archive."""
    raw = read_fully(walk.fd, BLOCK, walk.offset) if walk.offset < walk.size else b""
    if len(raw) < BLOCK:
        raise FormatError(
            f"{walk.name}: ends at byte {walk.size} without the block of zeros that ends a tar",
            hint="the file may be truncated: download it again",
        )
    if not any(raw):
        return None
    try:
        header = tarfile.TarInfo.frombuf(raw, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        wrong = "is not a tar archive" if not walk.offset else f"is damaged ({error})"
        raise FormatError(
            f"{walk.where()} {wrong}" if walk.offset else f"{walk.name} {wrong}"
        ) from error
    if header.size < 0 or header.mtime < 0:
        raise FormatError(f"{walk.where()}: {header.name}: a negative size or time")
    return header


def _make_member(walk: _Walk, header: tarfile.TarInfo, content: int) -> Member:
    """Return the member of a header and of the extended headers before it."""
    pending = walk.pending
    kind = FILE if header.type in _REGULAR else _KINDS.get(header.type, f"type {header.type!r}")
    size = header.size if pending.size is None else pending.size
    return Member(
        name=header.name if pending.name is None else pending.name,
        offset=content,
        size=size if kind == FILE or header.type not in _KINDS else 0,
        mtime=int(header.mtime) if pending.mtime is None else pending.mtime,
        kind="sparse file" if pending.is_sparse else kind,
    )


def _read_extension(walk: _Walk, header: tarfile.TarInfo, content: int) -> None:
    """Remember what an extended header says of the next member."""
    if header.size > _META_LIMIT:
        raise FormatError(f"{walk.where()}: an extended header of {header.size} bytes")
    raw = read_fully(walk.fd, header.size, content)
    if len(raw) < header.size:
        return  # The caller says that the archive is too short.
    if header.type == tarfile.GNUTYPE_LONGNAME:
        walk.pending.name = raw.rstrip(b"\0").decode("utf-8", "surrogateescape")
    elif header.type in _PAX:
        for key, value in _pax_records(raw, walk):
            _apply_record(walk, key, value)


def _pax_records(raw: bytes, walk: _Walk) -> Iterator[tuple[str, str]]:
    """Yield the records ``length key=value`` of an extended header."""
    at = 0
    while at < len(raw):
        digits, blank, _ = raw[at : at + 20].partition(b" ")
        length = int(digits) if blank and digits.isdigit() else 0
        key, equals, value = raw[at + len(digits) + 1 : at + length - 1].partition(b"=")
        if raw[at + length - 1 : at + length] != b"\n" or not equals or not key:
            raise FormatError(f"{walk.where()}: a damaged record in an extended header")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        at += length


def _apply_record(walk: _Walk, key: str, value: str) -> None:
    number = value.partition(".")[0]
    if key in {"size", "mtime"} and not _NUMBER.fullmatch(number):
        raise FormatError(f"{walk.where()}: {key} is {value!r}, wanted a number")
    match key:
        case "path":
            walk.pending.name = value
        case "size":
            walk.pending.size = int(number)
        case "mtime":
            walk.pending.mtime = int(number)
        case _:
            walk.pending.is_sparse |= key.startswith("GNU.sparse.")


def _check_end(walk: _Walk) -> None:
    """Refuse anything but zeros behind the end of an archive."""
    if walk.size - walk.offset > _PADDING_LIMIT:
        raise FormatError(
            f"{walk.name}: {walk.size - walk.offset} bytes follow the end of the archive at byte "
            f"{walk.offset}"
        )
    for offset in range(walk.offset, walk.size, _PIECE):
        piece = read_fully(walk.fd, min(_PIECE, walk.size - offset), offset)
        if any(piece):
            raise FormatError(
                f"{walk.name}: data follows the end of the archive at byte {walk.offset}"
            )
