"""The system use area of directory records: entries of two letters, and where they go on.

Source: System Use Sharing Protocol (IEEE P1281, SUSP 1.12). Each entry is a two-letter signature,
its length, a version of 1, and what the signature stands for:

    SP  in the root's own record: be ef, then how many bytes to skip in every other record
    CE  block, offset and length of more entries, each number in both byte orders
    ST  end

On CD-ROM XA volumes, 14 bytes lie before the first entry of every record, the root's own included
(SUSP 5.3): owner and group, 2 bytes of attributes, then ``XA``.

Does not know what the entries of Rock Ridge mean: see ``rock_ridge``.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile

from builder.errors import FormatError
from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.volume import BLOCK, pack_both32, unpack_both32
from builder.structs import Struct

CE_SIZE = 28
_MOST_CONTINUATIONS = 64
ENTRY_HEAD = 4
_SMALLEST = {b"CE": CE_SIZE, b"PX": 36, b"NM": 5, b"SL": 5, b"TF": 5, b"CL": 12, b"RE": 4}

_XA_SIZE = 14

ReadArea = Callable[[int, int, int], bytes]
"""Returns bytes at a block, an offset into it, and a length."""


class Protocol(Struct, frozen=True):
    """How a volume uses Rock Ridge.

    Attributes:
        skip: Bytes before the first entry of every record but the root's own.
        px_size: Length of PX entries.
        has_xa: Whether those bytes are the attributes of CD-ROM XA.
    """

    skip: int
    px_size: int
    has_xa: bool = False


class Overflow(Struct):
    """Rock Ridge entries that do not fit into their record.

    Attributes:
        record: The record.
        at: Where its CE entry lies.
        rest: The entries.
    """

    record: Record
    at: int
    rest: bytes

    def place(self, block: int, offset: int) -> None:
        """Record where the entries were placed."""
        entry = pack_continuation(block, offset, len(self.rest))
        self.record.raw[self.at : self.at + CE_SIZE] = entry


def read_protocol(root: Record) -> Protocol | None:
    """Return how a volume uses Rock Ridge, from its root's own record; ``None``: not at all."""
    whole = bytes(root.raw[root.system_use :])
    start = _start(whole, 0)
    area = whole[start:]
    if area[:2] != b"SP" or area[4:6] != b"\xbe\xef":
        return None
    sizes = [len(entry) for entry in iter_area(area) if entry[:2] == b"PX"]
    return Protocol(area[6], sizes[0], area[6] == start == _XA_SIZE) if sizes else None


def iter_continuations(record: Record, protocol: Protocol, read: ReadArea) -> Iterator[int]:
    """Yield the blocks in which a record's entries go on."""
    for entry in iter_entries(record, protocol.skip, read):
        if entry[:2] == b"CE":
            yield read_numbers(entry, 1)[0]


def carry_continuation(record: Record, protocol: Protocol, read: ReadArea) -> Overflow | None:
    """Return the entries that a record has elsewhere, to be put somewhere else."""
    at = find_entry(record, protocol.skip, b"CE")
    if at is None:
        return None
    _, *others = iter_areas(record, protocol.skip, read)
    rest = b"".join(entry for area in others for entry in area if entry[:2] != b"CE")
    if len(rest) > BLOCK:  # the first area goes on in those that stay
        rest = read(*read_numbers(bytes(record.raw[at : at + CE_SIZE]), 3))
    return Overflow(record, at, rest)


def pack_continuation(block: int, offset: int, length: int) -> bytes:
    """Return a CE entry."""
    return b"CE\x1c\x01" + pack_both32(block) + pack_both32(offset) + pack_both32(length)


def find_entry(record: Record, skip: int, signature: bytes) -> int | None:
    """Return where an entry lies in a record."""
    raw = record.raw
    offset = record.system_use
    offset += _start(raw[offset:], skip)
    while offset + 4 <= len(raw) and raw[offset + 2] >= ENTRY_HEAD:
        if raw[offset : offset + 2] == signature:
            return offset
        offset += raw[offset + 2]
    return None


def iter_entries(record: Record, skip: int, read: ReadArea) -> Iterator[bytes]:
    """Yield a record's entries, those of its continuation areas included."""
    for area in iter_areas(record, skip, read):
        yield from area


def iter_areas(record: Record, skip: int, read: ReadArea) -> Iterator[list[bytes]]:
    """Yield the entries of a record, then those of each of its continuation areas."""
    raw = bytes(record.raw[record.system_use :])
    raw = raw[_start(raw, skip) :]
    for _ in range(_MOST_CONTINUATIONS):
        area = list(takewhile(lambda entry: entry[:2] != b"ST", iter_area(raw)))
        yield area
        following = [entry for entry in area if entry[:2] == b"CE"]
        if not following:
            return
        block, offset, length = read_numbers(following[-1], 3)
        if offset + length > BLOCK:
            raise FormatError(f"ISO 9660: a continuation area at block {block} leaves it")
        raw = read(block, offset, length)
    raise FormatError(f"ISO 9660: record {record.identifier!r}: continuation areas go in a circle")


def iter_area(area: bytes) -> Iterator[bytes]:
    """Yield the entries of one area; what is too short for an entry is padding."""
    offset = 0
    while offset + 4 <= len(area):
        length = area[offset + 2]
        if length < ENTRY_HEAD:
            return
        entry = area[offset : offset + length]
        if len(entry) != length or length < _SMALLEST.get(entry[:2], 4):
            raise FormatError(
                f"ISO 9660: Rock Ridge entry {entry[:2]!r}: {length} bytes do not fit"
            )
        yield entry
        offset += length


def read_numbers(entry: bytes, count: int) -> tuple[int, ...]:
    """Return numbers of an entry that are there in both byte orders."""
    what = f"ISO 9660: Rock Ridge entry {entry[:2]!r}"
    return tuple(unpack_both32(entry, 4 + 8 * at, what) for at in range(count))


def _start(area: bytes | bytearray, skip: int) -> int:
    """Return where the first entry lies; SP is the first, where nobody knows yet what to skip."""
    if area[:2] == b"SP":
        return 0
    is_root = area[6:8] == b"XA" and area[_XA_SIZE : _XA_SIZE + 2] == b"SP"
    return _XA_SIZE if is_root else skip
