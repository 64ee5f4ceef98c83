"""Little-endian integers at fixed offsets of a record, read and written as attributes."""

import struct
from typing import Protocol


class Record(Protocol):
    """Anything that keeps its bytes in ``raw``."""

    raw: bytearray


class Field:
    """An unsigned integer: ``layout`` is a :mod:`struct` code, ``offset`` counts bytes."""

    __slots__ = ("_offset", "_struct")

    def __init__(self, layout: str, offset: int) -> None:
        self._struct = struct.Struct("<" + layout)
        self._offset = offset

    def __get__(self, record: Record, kind: type | None = None) -> int:
        value: int = self._struct.unpack_from(record.raw, self._offset)[0]
        return value

    def __set__(self, record: Record, value: int) -> None:
        self._struct.pack_into(record.raw, self._offset, value)


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

    __slots__ = ("_bits", "_end", "_high", "_low")

    def __init__(self, layout: str, low: int, high: int, high_layout: str = "") -> None:
        self._low = Field(layout, low)
        self._high = Field(high_layout or layout, high)
        self._bits = 8 * struct.calcsize("<" + layout)
        self._end = high + struct.calcsize("<" + (high_layout or layout))

    def __get__(self, record: Record, kind: type | None = None) -> int:
        low = self._low.__get__(record)
        if len(record.raw) < self._end:
            return low
        return low | self._high.__get__(record) << self._bits

    def __set__(self, record: Record, value: int) -> None:
        self._low.__set__(record, value & ((1 << self._bits) - 1))
        if len(record.raw) >= self._end:
            self._high.__set__(record, value >> self._bits)
