"""Directories of a FAT filesystem: slots of 32 bytes, long names before the short entry.

Source: FAT32 File System Specification 1.03, "FAT Directory Structure". Little endian.

    offset  size  short entry                  long name entry
    0x00    1     first byte of the name:      number, counted from the last; 0x40: first met
                  0 the end, 0xE5 free
    0x01    10    rest of the name             5 UTF-16 units
    0x0b    1     attributes                   0x0f
    0x0c    1     lower-case flags             0
    0x0d    1     created, 10 ms               checksum of the short name
    0x0e    4     created: time, date          6 units, 12 bytes
    0x12    2     last accessed: date
    0x14    2     first cluster, upper half
    0x16    4     written: time, date
    0x1a    2     first cluster, lower half    0
    0x1c    4     size                         2 units
"""

import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from builder.errors import FormatError
from builder.formats.fat.names import (
    LONG_CHARS,
    checksum,
    decode_alias,
    encode_long,
    fold,
)
from builder.structs import Struct, replace

SLOT = 32
DIRECTORY = 0x10
ARCHIVE = 0x20
_VOLUME = 0x08
_LONG = 0x0F
_LAST = 0x40
_NUMBER = 0x3F
_FREE = 0xE5
_END = 0x00
_ENTRY = struct.Struct("<11sBBBHHHHHHHI")
_LONG_ENTRY = struct.Struct("<B10sBBB12sH4s")
_EPOCH = 315_532_800  # 1980-01-01
_LATEST = 4_354_819_198  # 2107-12-31 23:59:58


class Entry(Struct, frozen=True):
    """A file, a directory or the volume label.

    Attributes:
        name: As shown.
        alias: Short name, 11 bytes.
        attributes: As stored.
        flags: Lower-case flags.
        cluster: First cluster, zero for an empty file.
        size: Length of a file.
        mtime: Seconds since the epoch.
        slot: Number of the first slot, that of a long name if there is one.
        slots: How many it takes.
    """

    name: str
    alias: bytes
    attributes: int
    flags: int
    cluster: int
    size: int
    mtime: int
    slot: int = 0
    slots: int = 1

    @property
    def is_directory(self) -> bool:
        """Return whether it is a directory."""
        return bool(self.attributes & DIRECTORY)

    @property
    def is_label(self) -> bool:
        """Return whether it is the volume label."""
        return bool(self.attributes & _VOLUME)

    @property
    def is_dot(self) -> bool:
        """Return whether it is ``.`` or ``..``."""
        return self.alias in {b".".ljust(11), b"..".ljust(11)}


class Directory:
    """The slots of a directory in memory, and where each lies on the disk."""

    def __init__(self, data: bytes, extents: Sequence[tuple[int, int]], *, where: str) -> None:
        self.data = bytearray(data)
        self.extents = list(extents)
        self.where = where
        self._entries: tuple[Entry, ...] | None = None
        self._index: dict[str, Entry] | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything in it, in the order on the disk."""
        if self._entries is None:
            self._entries = _read_entries(bytes(self.data), where=self.where)
        return self._entries

    def find(self, name: str) -> Entry | None:
        """Return the file or directory of that name, long or short; case does not matter."""
        if self._index is None:
            self._index = {}
            for entry in self.entries:
                if not entry.is_label and not entry.is_dot:
                    self._index.setdefault(fold(entry.name), entry)
                    self._index.setdefault(fold(decode_alias(entry.alias, 0)), entry)
        return self._index.get(fold(name))

    def find_room(self, count: int) -> int | None:
        """Return the first of ``count`` free slots in a row, ``None`` if there are not so many."""
        run = 0
        for slot in range(len(self.data) // SLOT):
            first = self.data[slot * SLOT]
            if first == _END:
                start = slot - run
                return start if start + count <= len(self.data) // SLOT else None
            run = run + 1 if first == _FREE else 0
            if run == count:
                return slot - run + 1
        return None

    def put(self, slot: int, raw: bytes) -> list[tuple[int, bytes]]:
        """Store slots, and return what to write to the disk, by offset."""
        end = slot * SLOT + len(raw)
        behind = self._end_slot() * SLOT
        if end > behind and end < len(self.data):
            # What follows the old end of a directory is undefined: the end moves with us.
            raw += bytes(SLOT)
            end += SLOT
        self.data[slot * SLOT : end] = raw
        self._entries = self._index = None
        return self._pieces(slot * SLOT, raw)

    def grow(self, offset: int, length: int) -> None:
        """Add ``length`` empty bytes that lie at ``offset`` of the disk."""
        self.data += bytes(length)
        self.extents.append((offset, length))
        self._entries = self._index = None

    def erase(self, entry: Entry) -> list[tuple[int, bytes]]:
        """Mark the slots of ``entry`` free, and return what to write to the disk."""
        writes = []
        for slot in range(entry.slot, entry.slot + entry.slots):
            self.data[slot * SLOT] = _FREE
            writes += self._pieces(slot * SLOT, bytes((_FREE,)))
        self._entries = self._index = None
        return writes

    def _end_slot(self) -> int:
        """Return the slot that ends the directory; behind the last when none does."""
        for slot in range(len(self.data) // SLOT):
            if self.data[slot * SLOT] == _END:
                return slot
        return len(self.data) // SLOT

    def _pieces(self, start: int, raw: bytes) -> list[tuple[int, bytes]]:
        """Cut bytes of the directory where they are not next to each other on the disk."""
        pieces = []
        at = 0
        for offset, length in self.extents:
            low, high = max(start, at), min(start + len(raw), at + length)
            if low < high:
                pieces.append((offset + low - at, raw[low - start : high - start]))
            at += length
        return pieces


def pack_entry(entry: Entry, *, with_long_name: bool) -> bytes:
    """Return the slots of an entry, its long name first."""
    day, clock = _pack_time(entry.mtime)
    short = _ENTRY.pack(
        entry.alias, entry.attributes, entry.flags, 0, clock, day, day,
        entry.cluster >> 16, clock, day, entry.cluster & 0xFFFF, entry.size,
    )  # fmt: skip
    return (_pack_long(entry) if with_long_name else b"") + short


def repack_entry(raw: bytes, entry: Entry) -> bytes:
    """Return the slots ``raw`` of an existing entry with attributes, cluster, size and time."""
    short = pack_entry(replace(entry, slots=1), with_long_name=False)
    created = raw[-SLOT:][0x0D:0x12]
    return raw[:-SLOT] + short[:0x0D] + created + short[0x12:]


def pack_dots(cluster: int, above: int, mtime: int) -> bytes:
    """Return the two entries with which a directory begins."""
    return b"".join(
        pack_entry(
            Entry(name, name.encode().ljust(11), DIRECTORY, 0, first, 0, mtime),
            with_long_name=False,
        )
        for name, first in ((".", cluster), ("..", above))
    )


def _read_entries(data: bytes, *, where: str) -> tuple[Entry, ...]:
    """Return what a directory holds."""
    found: list[Entry] = []
    pending: list[bytes] = []
    for slot in range(len(data) // SLOT):
        raw = data[slot * SLOT : (slot + 1) * SLOT]
        if raw[0] == _END:
            break
        if raw[0] == _FREE:
            pending = []
        elif raw[11] & 0x3F == _LONG:
            pending = [raw] if raw[0] & _LAST else [*pending, raw]
        else:
            found.append(_read_entry(raw, pending, slot, where=where))
            pending = []
    return tuple(found)


def _read_entry(raw: bytes, pending: list[bytes], slot: int, *, where: str) -> Entry:
    """Return the entry of a short slot and of the long slots before it."""
    alias, attributes, flags, _, _, _, _, high, clock, day, low, size = _ENTRY.unpack(raw)
    is_label = bool(attributes & _VOLUME)
    long_name = "" if is_label else _read_long(pending, checksum(alias))
    name = long_name or decode_alias(alias, 0 if is_label else flags)
    if not name or ({"/", "\0"} & set(name) and not is_label):
        raise FormatError(f"{where}: slot {slot} of the directory holds the name {name!r}")
    used = len(pending) if long_name else 0
    return Entry(
        name=name,
        alias=alias,
        attributes=attributes,
        flags=flags,
        cluster=high << 16 | low,
        size=size,
        mtime=_unpack_time(day, clock),
        slot=slot - used,
        slots=used + 1,
    )


def _read_long(pending: list[bytes], wanted: int) -> str:
    """Return the long name in the slots before an entry; empty when they are not its own."""
    units = b""
    for number, raw in enumerate(reversed(pending), start=1):
        order, first, _, _, total, second, _, third = _LONG_ENTRY.unpack(raw)
        is_last = number == len(pending)
        if order != number | (_LAST if is_last else 0) or total != wanted:
            return ""
        units += first + second + third
    name = units.decode("utf-16-le", "replace").partition("\0")[0]
    return "" if name in {".", ".."} or "/" in name else name


def _pack_long(entry: Entry) -> bytes:
    """Return the slots of an entry's long name."""
    raw = encode_long(entry.name)
    count = -(-len(raw) // (2 * LONG_CHARS))
    if len(raw) < count * 2 * LONG_CHARS:
        raw = (raw + b"\0\0").ljust(count * 2 * LONG_CHARS, b"\xff")
    total = checksum(entry.alias)
    slots = []
    for number in range(count, 0, -1):
        units = raw[(number - 1) * 26 : number * 26]
        order = number | (_LAST if number == count else 0)
        slots.append(
            _LONG_ENTRY.pack(order, units[:10], _LONG, 0, total, units[10:22], 0, units[22:])
        )
    return b"".join(slots)


def _pack_time(mtime: int) -> tuple[int, int]:
    """Return date and time of FAT, in UTC; the years are 1980 to 2107."""
    at = time.gmtime(min(max(mtime, _EPOCH), _LATEST))
    day = (at.tm_year - 1980) << 9 | at.tm_mon << 5 | at.tm_mday
    return day, at.tm_hour << 11 | at.tm_min << 5 | min(at.tm_sec, 59) // 2


def _unpack_time(day: int, clock: int) -> int:
    """Return seconds since the epoch; zero for a date that is none."""
    year, month, date = 1980 + (day >> 9), day >> 5 & 0xF, day & 0x1F
    hour, minute, second = clock >> 11, clock >> 5 & 0x3F, (clock & 0x1F) * 2
    try:
        at = datetime(year, month, date, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return 0
    return int(at.timestamp())
