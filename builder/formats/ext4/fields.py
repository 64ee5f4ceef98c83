"""Little-endian integers at fixed offsets of a record, read and written as attributes."""

import struct
from typing import Protocol


class Record(Protocol):
    """Anything that keeps its bytes in ``raw``."""

    raw: bytearray


class Field:
    """An unsigned integer: ``layout`` is a :mod:`struct` code, ``offset`` counts bytes."""

    __slots__ = ("_offset", "_pack", "_unpack")

    def __init__(self, layout: str, offset: int) -> None:
        form = struct.Struct("<" + layout)
        self._pack, self._unpack = form.pack_into, form.unpack_from
        self._offset = offset

    def __get__(self, record: Record, kind: type | None = None) -> int:
        value: int = self._unpack(record.raw, self._offset)[0]
        return value

    def __set__(self, record: Record, value: int) -> None:
        self._pack(record.raw, self._offset, value)


class Fixed:
    """An unsigned integer that stays as it is while its record is open: it is read once."""

    def __init__(self, layout: str, offset: int) -> None:
        self._struct = struct.Struct("<" + layout)
        self._offset = offset

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, record: Record, kind: type | None = None) -> int:
        value: int = self._struct.unpack_from(record.raw, self._offset)[0]
        record.__dict__[self._name] = value  # found there from now on, before this descriptor
        return value


class SplitField:
    """An unsigned integer in two parts; short records lack the high one, which is zero then."""

    __slots__ = ("_bits", "_end", "_high", "_high_form", "_low", "_low_form")

    def __init__(self, layout: str, low: int, high: int, high_layout: str = "") -> None:
        self._low, self._high = low, high
        self._low_form = struct.Struct("<" + layout)
        self._high_form = struct.Struct("<" + (high_layout or layout))
        self._bits = 8 * self._low_form.size
        self._end = high + self._high_form.size

    def __get__(self, record: Record, kind: type | None = None) -> int:
        low: int = self._low_form.unpack_from(record.raw, self._low)[0]
        if len(record.raw) < self._end:
            return low
        high: int = self._high_form.unpack_from(record.raw, self._high)[0]
        return low | high << self._bits

    def __set__(self, record: Record, value: int) -> None:
        self._low_form.pack_into(record.raw, self._low, value & ((1 << self._bits) - 1))
        if len(record.raw) >= self._end:
            self._high_form.pack_into(record.raw, self._high, value >> self._bits)
