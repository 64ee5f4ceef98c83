"""The header of an RPM package, with the tags that a repository lists.

Format: RPM 4, docs/manual/format_v4.md and format_header.md of the rpm sources: a lead of 96
bytes, a signature header padded to 8 bytes, a header; a header is a magic, an index of tags and
a store. The payload is not read; see ``rpm_signature`` for signatures.
"""

import struct
from collections.abc import Container, Iterator
from typing import BinaryIO

from builder.errors import FormatError
from builder.structs import Struct

LEAD = b"\xed\xab\xee\xdb"
_LEAD_SIZE = 96
_HEADER = struct.Struct(">8sII")
_HEADER_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
_ENTRY = struct.Struct(">IIII")
_COUNTS = struct.Struct(">II")
_PAYLOAD_SIZES = (271, 1007)
_MOST_TAGS = 1 << 16
_LARGEST_STORE = 256 << 20
_NUMBERS = {2: "B", 3: "H", 4: "I", 5: "Q"}
_TEXTS = {6, 8, 9}
_BYTES = 7
_HEADER_SIGNATURE = 268

Value = tuple[int | str, ...]


class Header(Struct, frozen=True):
    """A package's header.

    Attributes:
        name: What messages call the file.
        start: First byte of the header in the file.
        end: The byte behind it.
        tags: Number to values.
        payload_size: Bytes of the payload, not compressed, as the signature header says.
    """

    name: str
    start: int
    end: int
    tags: dict[int, Value]
    payload_size: int

    def text(self, tag: int) -> str:
        """Return a tag's first text; empty without one."""
        return next(iter(self.texts(tag)), "")

    def number(self, tag: int) -> int:
        """Return a tag's first number; zero without one."""
        return next(iter(self.numbers(tag)), 0)

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return a tag's texts."""
        return tuple(value for value in self.tags.get(tag, ()) if isinstance(value, str))

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return a tag's numbers."""
        return tuple(value for value in self.tags.get(tag, ()) if isinstance(value, int))


def read_header(stream: BinaryIO, name: str) -> Header:
    """Return the header of the package that begins where ``stream`` does.

    Raises:
        FormatError: it is not an RPM package, or is damaged or truncated.
    """
    lead = _read(stream, _LEAD_SIZE, name)
    if not lead.startswith(LEAD):
        raise FormatError(f"{name}: begins with {lead[:4]!r}; wanted an RPM package")
    signature_size, signed = _read_one(stream, name)
    padding = -signature_size % 8
    _read(stream, padding, name)
    start = _LEAD_SIZE + signature_size + padding
    size, tags = _read_one(stream, name)
    return Header(name, start, start + size, dict(tags), _payload_size(dict(signed)))


class SignedHeader(Struct, frozen=True):
    """A package's header as it was signed.

    Attributes:
        name: What messages call the file.
        content: Its bytes, magic number included.
        tags: Number to values.
        signature: The OpenPGP signature of ``content``; empty when there is none.
    """

    name: str
    content: bytes
    tags: dict[int, Value]
    signature: bytes


def read_signed_header(stream: BinaryIO, name: str) -> SignedHeader:
    """Return the header of a package, with its signature; ``stream`` is then at its payload.

    Raises:
        FormatError: it is not an RPM package, is damaged or cut short.
    """
    lead = _read(stream, _LEAD_SIZE, name)
    if not lead.startswith(LEAD):
        raise FormatError(f"{name}: begins with {lead[:4]!r}; wanted an RPM package")
    _, index, store = _read_raw(stream, name)
    _read(stream, -(len(index) + len(store)) % 8, name)
    rows = (row for row in _ENTRY.iter_unpack(index) if row[0] == _HEADER_SIGNATURE)
    _, kind, offset, length = next(rows, (0, 0, 0, 0))
    signature = store[offset : offset + length] if kind == _BYTES else b""
    intro, index, store = _read_raw(stream, name)
    return SignedHeader(name, intro + index + store, dict(_entries(index, store)), signature)


def _payload_size(signed: dict[int, Value]) -> int:
    sizes = (number for tag in _PAYLOAD_SIZES for number in signed.get(tag, ()))
    return next((number for number in sizes if isinstance(number, int)), 0)


def _read_one(stream: BinaryIO, name: str) -> tuple[int, list[tuple[int, Value]]]:
    """Read one header; returns its length and tags."""
    intro, index, store = _read_raw(stream, name)
    return len(intro) + len(index) + len(store), list(_entries(index, store))


def _read_raw(stream: BinaryIO, name: str) -> tuple[bytes, bytes, bytes]:
    """Read one header; returns its beginning, its index and its store."""
    intro = _read(stream, _HEADER.size, name)
    magic, count, store_size = _HEADER.unpack(intro)
    if magic != _HEADER_MAGIC:
        raise FormatError(f"{name}: a header begins with {magic!r}; wanted {_HEADER_MAGIC!r}")
    if count > _MOST_TAGS or store_size > _LARGEST_STORE:
        raise FormatError(f"{name}: its header claims {count} tags and {store_size} bytes")
    return intro, _read(stream, count * _ENTRY.size, name), _read(stream, store_size, name)


def parse_tags(data: bytes, name: str, wanted: Container[int]) -> dict[int, Value]:
    """Return tags of a header as a package database has it: without its magic number.

    Args:
        data: The header.
        name: What messages call it.
        wanted: The numbers of the tags to return.

    Raises:
        FormatError: ``data`` is shorter than its first eight bytes promise.
    """
    count, store_size = _COUNTS.unpack_from(data) if len(data) >= _COUNTS.size else (0, 1)
    start = _COUNTS.size + count * _ENTRY.size
    if start + store_size > len(data):
        raise FormatError(
            f"{name}: a header of {len(data)} bytes promises {count} tags and {store_size} bytes",
            code="PKG013",
        )
    return dict(_entries(data[_COUNTS.size : start], data[start : start + store_size], wanted))


def _entries(
    index: bytes, store: bytes, wanted: Container[int] | None = None
) -> Iterator[tuple[int, Value]]:
    """Yield the number and the values of each tag, or of those in ``wanted``."""
    for tag, kind, offset, many in _ENTRY.iter_unpack(index):
        if wanted is None or tag in wanted:
            yield tag, tuple(_values(store, kind, offset, many))


def _values(store: bytes, kind: int, offset: int, count: int) -> Iterator[int | str]:
    """Yield the values of a tag; those outside the store are left out."""
    if kind in _NUMBERS:
        layout = struct.Struct(">" + _NUMBERS[kind])
        last = min(count, max(0, len(store) - offset) // layout.size)
        for at in range(last):
            yield layout.unpack_from(store, offset + at * layout.size)[0]
    elif kind in _TEXTS:
        for _ in range(min(count, len(store))):
            end = store.find(b"\0", offset)
            if end < 0:
                return
            yield store[offset:end].decode(errors="replace")
            offset = end + 1


def _read(stream: BinaryIO, size: int, name: str) -> bytes:
    """Read exactly ``size`` bytes."""
    data = stream.read(size)
    if len(data) != size:
        raise FormatError(f"{name}: truncated: {len(data)} of {size} bytes of a header")
    return data
