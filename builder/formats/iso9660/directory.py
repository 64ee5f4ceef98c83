"""Directory records of ISO 9660, and directories as runs of them.

Source: ECMA-119, 3rd edition, sections 6.8 and 9.1.

    offset  size  field
    0x00    1     length of the record; zero: go to the next block
    0x01    1     blocks of an extended attribute record
    0x02    8     block of the content, in both byte orders
    0x0a    8     bytes of the content, in both byte orders
    0x12    7     time: years since 1900, month, day, hour, minute, second, quarters from UTC
    0x19    1     flags: 0x02 directory, 0x04 associated, 0x80 another piece follows
    0x1a    2     interleaving
    0x1c    4     volume of the set, in both byte orders
    0x20    1     length of the identifier
    0x21    n     identifier, one zero byte behind it when n is even
    ...           system use area (Rock Ridge)

No record crosses a block. Does not know what a name means: see ``names`` and ``rock_ridge``.
"""

import calendar
import time
from collections.abc import Iterable

from builder.errors import FormatError, UnsupportedError
from builder.formats.disk import MIB, Disk
from builder.formats.iso9660.volume import BLOCK, pack_both16, pack_both32, unpack_both32
from builder.structs import Struct

SELF, PARENT = b"\0", b"\1"
DIRECTORY, ASSOCIATED, MORE = 0x02, 0x04, 0x80
LARGEST_RECORD = 254
_HEAD_SIZE = 33
_LARGEST = 64 * MIB
_FIRST_YEAR = 1900
_MONTHS, _DAYS = range(1, 13), range(1, 32)
_OWN_RECORDS = 2
"""A directory names itself and its parent first."""


class Record(Struct, eq=False):
    """One directory record; ``raw`` may be changed in place."""

    raw: bytearray

    @property
    def identifier(self) -> bytes:
        """The name as recorded."""
        return bytes(self.raw[_HEAD_SIZE : _HEAD_SIZE + self.raw[32]])

    @property
    def extent(self) -> int:
        """Block of the content."""
        return unpack_both32(self.raw, 2, f"ISO 9660: record {self.identifier!r}: block")

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return unpack_both32(self.raw, 10, f"ISO 9660: record {self.identifier!r}: size")

    @property
    def is_directory(self) -> bool:
        """Return whether the content is a directory."""
        return bool(self.raw[25] & DIRECTORY)

    @property
    def is_continued(self) -> bool:
        """Return whether the next record holds more of the same file."""
        return bool(self.raw[25] & MORE)

    @property
    def mtime(self) -> int:
        """Time of recording, seconds since the epoch."""
        return unpack_time(bytes(self.raw[18:25]))

    @property
    def system_use(self) -> int:
        """Where the system use area begins in ``raw``."""
        return _HEAD_SIZE + self.raw[32] + (1 - self.raw[32] % 2)

    def place(self, extent: int, size: int) -> None:
        """Say where the content is."""
        self.raw[2:10] = pack_both32(extent)
        self.raw[10:18] = pack_both32(size)


def make_record(identifier: bytes, *, flags: int, mtime: int, system_use: bytes) -> Record:
    """Return a record whose content has no place yet."""
    head = bytearray(_HEAD_SIZE)
    head[18:25] = pack_time(mtime)
    head[25] = flags
    head[28:32] = pack_both16(1)
    head[32] = len(identifier)
    raw = head + identifier + bytes(1 - len(identifier) % 2) + system_use
    raw += bytes(len(raw) % 2)
    raw[0] = len(raw)
    return Record(raw)


def head_size(identifier: bytes) -> int:
    """Return how many bytes a record has before its system use area."""
    return _HEAD_SIZE + len(identifier) + (1 - len(identifier) % 2)


def pack_time(timestamp: int) -> bytes:
    """Return a time as records and Rock Ridge hold it, in UTC."""
    moment = time.gmtime(timestamp)
    return bytes((moment.tm_year - _FIRST_YEAR, *moment[1:6], 0))


def unpack_time(raw: bytes) -> int:
    """Return such a time in seconds since the epoch; zero when it is none."""
    year, month, day, hour, minute, second, zone = raw
    if month not in _MONTHS or day not in _DAYS:
        return 0
    zone = int.from_bytes(bytes([zone]), signed=True)
    moment = (_FIRST_YEAR + year, month, day, hour, minute, second)
    return calendar.timegm(moment) - zone * 900


def read_directory(disk: Disk, extent: int) -> tuple[list[Record], int]:
    """Return the records of a directory, its own and its parent's first, and its size.

    Raises:
        FormatError: it is damaged or lies outside of the image.
    """
    where = f"ISO 9660: directory at block {extent}"
    data = disk.read(extent * BLOCK, BLOCK)
    size = _first_record(data, extent, where).size
    if not size or size % BLOCK or size > _LARGEST:
        raise FormatError(f"{where}: {size} bytes; wanted whole blocks up to {_LARGEST} bytes")
    if size > BLOCK:
        data = disk.read(extent * BLOCK, size)
    records = _split(data, where)
    if len(records) < _OWN_RECORDS or records[1].identifier != PARENT:
        raise FormatError(f"{where}: its second record is not its parent's")
    return records, size


def pack_directory(records: Iterable[Record], size: int = 0) -> bytes:
    """Return a directory's bytes, at least ``size`` and whole blocks."""
    out = bytearray()
    for record in records:
        used = len(out) % BLOCK
        if used + len(record.raw) > BLOCK:
            out += bytes(BLOCK - used)
        out += record.raw
    out += bytes(-len(out) % BLOCK)
    return bytes(out).ljust(size, b"\0")


def packed_size(records: Iterable[Record]) -> int:
    """Return how many bytes :func:`pack_directory` makes of them."""
    size = 0
    for record in records:
        length = len(record.raw)
        if size % BLOCK + length > BLOCK:
            size += -size % BLOCK
        size += length
    return size + -size % BLOCK


def _first_record(data: bytes, extent: int, where: str) -> Record:
    """Return a directory's record of itself."""
    first = Record(bytearray(data[: data[0]]))
    if data[0] < _HEAD_SIZE + 1 or first.identifier != SELF:
        raise FormatError(f"{where}: its first record is not its own")
    if first.extent != extent:
        raise FormatError(f"{where}: it says that it lies at block {first.extent}")
    return first


def _split(data: bytes, where: str) -> list[Record]:
    """Return the records in a directory's bytes."""
    records = []
    offset = 0
    while offset < len(data):
        length = data[offset]
        if not length:
            offset += BLOCK - offset % BLOCK
            continue
        room = BLOCK - offset % BLOCK
        if not _HEAD_SIZE < length <= room or _HEAD_SIZE + data[offset + 32] > length:
            raise FormatError(f"{where}: byte {offset}: a record of {length} bytes does not fit")
        if data[offset + 26] or data[offset + 27]:
            raise UnsupportedError(f"{where}: byte {offset}: an interleaved file")
        records.append(Record(bytearray(data[offset : offset + length])))
        offset += length
    return records
