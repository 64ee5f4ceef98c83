"""The database of installed packages that rpm keeps: Berkeley DB or SQLite, read without librpm.

Formats: SQLite, table ``Packages(hnum, blob)``, of rpm 4.16 and later; a hash of Berkeley DB 5.3
(``src/dbinc/db_page.h``), of rpm 4.14 in Photon 3.0 and of 4.0 before its Revision 2: pages of one
size; a hash page lists pairs of a key and a value, and a value of more than a quarter of a page
lies in a chain of overflow pages. In both, a value is the header of a package without its magic
number. Nothing is written, and neither indexes nor free lists are read.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.errors import FormatError

SQLITE_MAGIC = b"SQLite format 3\0"
LARGEST = 1 << 29
"""A database of more bytes is refused; that of 5,000 packages has 200 MB."""

_TABLE = "SELECT type, sql FROM sqlite_master WHERE name = 'Packages'"
_ROWS = "SELECT blob FROM Packages ORDER BY hnum"
_MOST_STEPS = 50_000_000
_STEPS_A_CALL = 1_000_000
_HASH_MAGIC = 0x061561
_MAGIC_AT, _PAGE_SIZE_AT, _ENCRYPTION_AT, _META_SIZE = 12, 20, 24, 72
_PAGE_SIZES = {512 << n for n in range(8)}
_NEXT_AT, _ENTRIES_AT, _FREE_AT, _TYPE_AT, _PAGE_HEADER = 16, 20, 22, 25, 26
_OVERFLOW_PAGE, _HASH_PAGES, _OFF_PAGE_ITEM = 7, (2, 13), 3
_SHORTEST_ITEM = 12


def iter_headers(data: bytes, log: bytes, name: str) -> Iterator[bytes]:
    """Yield the header of each installed package.

    Args:
        data: The whole database.
        log: SQLite's write-ahead log beside it; empty without one.
        name: What messages call the database.

    Raises:
        FormatError: the database is damaged, or of an unknown kind.
    """
    if data.startswith(SQLITE_MAGIC):
        return _iter_sqlite(data, log, name)
    return _HashFile(data, name).iter_values()


def _iter_sqlite(data: bytes, log: bytes, name: str) -> Iterator[bytes]:
    """Yield the headers of an SQLite database; SQLite itself merges the log into a copy."""
    with TemporaryDirectory(prefix="photon-builder-") as folder:
        copy = Path(folder, "rpmdb.sqlite")
        copy.write_bytes(data)
        if log:
            Path(f"{copy}-wal").write_bytes(log)
        try:
            with closing(sqlite3.connect(copy)) as database:
                yield from _iter_rows(database, name)
        except (sqlite3.Error, UnicodeError) as error:
            raise FormatError(f"{name}: {error}", code="PKG013") from None


def _iter_rows(database: sqlite3.Connection, name: str) -> Iterator[bytes]:
    """Yield the blobs of the table; a schema that computes without end is interrupted."""
    steps = iter(range(0, _MOST_STEPS, _STEPS_A_CALL))
    database.execute("PRAGMA trusted_schema = OFF")
    database.set_progress_handler(lambda: next(steps, None) is None, _STEPS_A_CALL)
    kind, text = next(database.execute(_TABLE), ("", ""))
    if kind != "table" or "virtual" in str(text).lower():
        raise FormatError(f"{name}: has no table `Packages`", code="PKG013")
    for (blob,) in database.execute(_ROWS):
        if isinstance(blob, bytes):
            yield blob


class _HashFile:
    """A hash of Berkeley DB.

    Args:
        data: The whole file.
        name: What messages call it.

    Raises:
        FormatError: the first page is not that of a hash, or the hash is encrypted.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        magic = data[_MAGIC_AT : _MAGIC_AT + 4]
        orders = {_HASH_MAGIC.to_bytes(4, "little"): "<", _HASH_MAGIC.to_bytes(4, "big"): ">"}
        if magic not in orders or len(data) < _META_SIZE:
            raise self._damage("is neither an SQLite database nor a hash of Berkeley DB")
        order = orders[magic]
        self._half = struct.Struct(f"{order}H")
        self._word = struct.Struct(f"{order}I")
        self._size = self._word.unpack_from(data, _PAGE_SIZE_AT)[0]
        if self._size not in _PAGE_SIZES or data[_ENCRYPTION_AT]:
            raise self._damage(f"is encrypted, or has pages of {self._size} bytes")
        self._unread = set(range(1, len(data) // self._size))

    def iter_values(self) -> Iterator[bytes]:
        """Yield the values that lie in overflow pages; shorter ones are rpm's own counters."""
        for number in range(1, len(self._data) // self._size):
            at = number * self._size
            if self._data[at + _TYPE_AT] not in _HASH_PAGES:
                continue
            entries = self._half.unpack_from(self._data, at + _ENTRIES_AT)[0]
            if _PAGE_HEADER + 2 * entries > self._size:
                raise self._damage(f"page {number} lists {entries} entries")
            for slot in range(1, entries, 2):
                place = self._half.unpack_from(self._data, at + _PAGE_HEADER + 2 * slot)[0]
                if (
                    place + _SHORTEST_ITEM <= self._size
                    and self._data[at + place] == _OFF_PAGE_ITEM
                ):
                    yield self._value(at + place)

    def _value(self, item: int) -> bytes:
        """Return a value by what the hash page says of it: its first page and its length."""
        page = self._word.unpack_from(self._data, item + 4)[0]
        length = self._word.unpack_from(self._data, item + 8)[0]
        pieces, found = [], 0
        while page and found < length:
            piece, page = self._read_overflow(page)
            pieces.append(piece)
            found += len(piece)
        if found < length:
            raise self._damage(f"a header of {length} bytes ends after {found}")
        return b"".join(pieces)[:length]

    def _read_overflow(self, number: int) -> tuple[bytes, int]:
        """Return what an overflow page holds, and the number of the next; no page is read twice."""
        at = number * self._size
        if number not in self._unread or self._data[at + _TYPE_AT] != _OVERFLOW_PAGE:
            raise self._damage(f"page {number} is not an overflow page, or belongs to two headers")
        self._unread.discard(number)
        used = self._half.unpack_from(self._data, at + _FREE_AT)[0]
        start = at + _PAGE_HEADER
        following = self._word.unpack_from(self._data, at + _NEXT_AT)[0]
        return self._data[start : min(start + used, at + self._size)], following

    def _damage(self, what: str) -> FormatError:
        return FormatError(f"{self._name}: {what}", code="PKG013")
