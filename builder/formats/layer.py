"""Layers of container images: tar archives whose members are checked while they pass by.

Sources: POSIX.1-2017, pax; the tar formats of GNU; OCI Image Format Specification 1.1, "Image
Layer Filesystem Changeset" (``.wh.`` names and hard links). Content is skipped and nothing is
extracted: what is refused is what would leave the image, or does not end where it should.
"""

import tarfile
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from builder.errors import FormatError
from builder.formats import zst
from builder.formats.compression import Compression, iter_stream, sniff
from builder.formats.disk import GIB, MIB
from builder.structs import Struct

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_CONTENT = frozenset({b"0", b"\0", b"7", b"S"})
_LINK, _SPARSE, _GLOBAL = b"1", b"S", b"g"
_EXTENDED = frozenset({b"x", _GLOBAL, b"L", b"K"})
_MAX_EXTENDED = MIB
"""As Go's reader has it, which is the one of dockerd."""

_MAX_DIGITS = 18
_MORE_IN_HEADER, _MORE_IN_EXTENSION = 482, 504
"""Where the sparse format of GNU says that a block with more of its map follows."""

_WHITEOUT = ".wh."
_UNHIDABLE = frozenset({"", ".", ".."})
_LEAST_LIMIT = 4 * GIB
_MOST_TIMES = 20
_NAMES = {"path": "path", "GNU.sparse.name": "path", "linkpath": "linkpath"}


class Layer(Struct, frozen=True):
    """What a layer holds.

    Attributes:
        diff_id: ``sha256:`` and the digest of the unpacked archive.
        size: Bytes of the unpacked archive.
        members: Files, folders, links and other members.
        compression: How the blob is packed.
    """

    diff_id: str
    size: int
    members: int
    compression: str


def read_layer(stream: BinaryIO, size: int, name: str) -> Layer:
    """Read a layer to its end and return what it holds.

    Args:
        stream: Its blob; the file that it reads may still grow, and has all of its bytes when the
            end is reached.
        size: Bytes of the blob.
        name: For messages.

    Raises:
        FormatError: it is damaged, cut short, unpacks to very much more than ``size``, or has a
            member that leads out of the image.
    """
    kind, pieces = _unpacked(stream, name)
    walk, digest = Walk(name, max(_LEAST_LIMIT, _MOST_TIMES * size)), sha256()
    for piece in pieces:
        walk.feed(piece)
        digest.update(piece)
    if kind is Compression.ZST:  # its reader does not tell a frame that is cut short
        zst.read_size(stream.fileno(), size, name=name)
    walk.finish()
    return Layer(f"sha256:{digest.hexdigest()}", walk.size, walk.members, kind.value)


def _unpacked(stream: BinaryIO, name: str) -> tuple[Compression, Iterator[bytes]]:
    """Return how a blob is packed, and what it holds."""
    kind = sniff(stream.read(8), name=name)
    stream.seek(0)
    if kind is Compression.XZ:
        raise FormatError(f"{name} is packed with xz; wanted gzip, zstd or none")
    if kind is Compression.ZST:
        return kind, zst.iter_streamed(stream, name=name)
    return kind, iter_stream(stream, kind, name)


class Walk:
    """The members of a tar archive that comes in pieces.

    Attributes:
        size: Bytes that came.
        members: How many members they hold.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.size = self.members = 0
        self._name = name
        self._limit = limit
        self._rest = b""
        self._skip = 0
        self._zeros = 0
        self._extended: dict[str, str] = {}
        self._is_open = False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            FormatError: they are not a valid archive, or more than the limit.
        """
        self.size += len(piece)
        if self.size > self._limit:
            raise self._refusal(f"it unpacks to more than {self._limit} bytes")
        if self._skip >= len(piece):
            self._skip -= len(piece)
            return
        data, at = self._rest + piece[self._skip :], 0
        self._skip = 0
        while at < len(data) and (taken := self._take(data, at)):
            at += taken
        self._skip = max(at - len(data), 0)
        self._rest = data[at:]

    def finish(self) -> None:
        """Check that nothing is left open.

        Raises:
            FormatError: the archive ends inside of a member, or of what belongs to the next one.
        """
        if self._rest or self._skip or self._is_open:
            raise self._refusal(f"its {self.size} bytes end in the middle of a file")

    def _take(self, data: bytes, at: int) -> int:
        """Return how many bytes from ``at`` on are understood, zero when more are needed."""
        if self._zeros > 1:
            return len(data) - at  # nobody reads what follows the end of an archive
        block = data[at : at + _BLOCK]
        if len(block) < _BLOCK:
            return 0
        if block == _ZEROS:
            self._zeros += 1
            return _BLOCK
        if self._zeros:
            raise self._refusal("something follows a block of zeros")
        header = self._header(block)
        if header.type in _EXTENDED:
            return self._take_extended(header, data, at)
        return self._take_member(header, data, at)

    def _header(self, block: bytes) -> tarfile.TarInfo:
        """Return a header whose checksum is right."""
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise self._refusal(f"it has an invalid tar header: {error}") from error
        if header.size < 0:
            raise self._refusal(f"{header.name!r} has {header.size} bytes")
        return header

    def _take_extended(self, header: tarfile.TarInfo, data: bytes, at: int) -> int:
        """Read the names and sizes that stand before the header they belong to."""
        if header.size > _MAX_EXTENDED:
            raise self._refusal(f"it has an extended header of {header.size} bytes")
        length = _BLOCK + _padded(header.size)
        if at + length > len(data):
            return 0
        body = data[at + _BLOCK : at + _BLOCK + header.size]
        self._is_open |= header.type != _GLOBAL
        match header.type:
            case b"L":
                self._extended["path"] = _text(body.rstrip(b"\0"))
            case b"K":
                self._extended["linkpath"] = _text(body.rstrip(b"\0"))
            case b"x":
                self._extended |= dict(self._records(body))
            case _:
                pass  # dockerd ignores a global header
        return length

    def _records(self, body: bytes) -> Iterator[tuple[str, str]]:
        """Yield what a pax header says that matters here; refuse one that is not valid."""
        at = 0
        while at < len(body):
            digits, space, _ = body[at : at + 20].partition(b" ")
            length = int(digits) if space and digits.isdigit() else 0
            record = body[at + len(digits) + 1 : at + length]
            key, equals, value = record.partition(b"=")
            if not equals or not value.endswith(b"\n") or at + length > len(body):
                raise self._refusal("it has an invalid pax header")
            name = _text(key)
            if name in _NAMES:
                yield _NAMES[name], _text(value[:-1])
            elif name == "size":
                yield name, _text(value[:-1])
            at += length

    def _take_member(self, header: tarfile.TarInfo, data: bytes, at: int) -> int:
        """Check a member and return its length with its content."""
        length = _BLOCK
        if header.type == _SPARSE:
            length += self._map_length(data, at)
            if at + length > len(data):
                return 0
        told, self._extended, self._is_open = self._extended, {}, False
        size = told.get("size", str(header.size))
        if not (size.isascii() and size.isdigit() and len(size) <= _MAX_DIGITS):
            raise self._refusal(f"{header.name!r} has {size!r:.40} bytes")
        if header.type in _CONTENT:
            length += _padded(int(size))
        self._check_path(told.get("path", header.name))
        if header.type == _LINK:
            self._check_inside(told.get("linkpath", header.linkname))
        self.members += 1
        return length

    def _map_length(self, data: bytes, at: int) -> int:
        """Return the bytes of the blocks that continue the map of a sparse file."""
        length, more = 0, data[at + _MORE_IN_HEADER]
        while more:
            length += _BLOCK
            last = at + length + _MORE_IN_EXTENSION
            more = data[last] if last < len(data) else 0
            if last >= len(data):
                return len(data)  # more has to come before it is known
        return length

    def _check_path(self, path: str) -> None:
        """Refuse a member outside of the image, and one that would hide a folder from itself."""
        self._check_inside(path)
        name = path.rstrip("/").rpartition("/")[2]
        if name.startswith(_WHITEOUT) and name[len(_WHITEOUT) :] in _UNHIDABLE:
            raise self._refusal(f"it has {path!r:.200}, which hides no file")

    def _check_inside(self, path: str) -> None:
        """Refuse a path that climbs above the root of the image."""
        depth = 0
        for part in path.split("/"):
            depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
            if depth < 0:
                raise self._refusal(f"it has {path!r:.200}, which leads out of the image")
        if not path:
            raise self._refusal("it has a member without a name")

    def _refusal(self, what: str) -> FormatError:
        return FormatError(f"{self._name}: {what}")


def _padded(size: int) -> int:
    """Return the bytes that content takes."""
    return -(-size // _BLOCK) * _BLOCK


def _text(data: bytes) -> str:
    """Return text of a header; bytes that are not UTF-8 survive."""
    return data.decode("utf-8", "surrogateescape")
