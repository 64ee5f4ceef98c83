"""The allocation table of a FAT filesystem: which cluster follows which, and what is free.

Source: FAT32 File System Specification 1.03, "FAT Data Structure" and "FSInfo Sector".
Entries of 12 bits (packed), 16 or 32 bits (28 used), little endian. Entries 0 and 1 hold the
media byte and the flags of a clean unmount; they are never changed.

FSInfo, 512 bytes:

    offset  size  field
    0x000   4     "RRaA"
    0x1e4   4     "rrAa"
    0x1e8   4     free clusters
    0x1ec   4     where to look for a free one

The table is decoded once and held in memory; sectors that differ are written by ``flush`` to
every copy.
"""

import itertools
import sys
from array import array
from collections.abc import Iterator

from builder.errors import FormatError, NoSpaceError
from builder.formats.disk import KIB, SECTOR, Disk
from builder.formats.fat.boot import FAT12, FAT16, FAT32, FIRST_CLUSTER, Geometry

_FREE = 0
_MASK32 = 0x0FFFFFFF
_END = {FAT12: 0xFFF, FAT16: 0xFFFF, FAT32: 0x0FFFFFFF}
_FSINFO_MARKS = ((0x000, b"RRaA"), (0x1E4, b"rrAa"))


class Table:
    """Chains of clusters, and the free ones."""

    def __init__(self, disk: Disk, geometry: Geometry, *, name: str) -> None:
        self._disk = disk
        self._geometry = geometry
        self._name = name
        self._raw = self._read_copies()
        self._entries = _decode(self._raw, geometry.bits)
        self._limit = geometry.clusters + FIRST_CLUSTER
        self._end = _END[geometry.bits]
        self._hint = FIRST_CLUSTER
        self._is_changed = False
        used = self._entries[FIRST_CLUSTER : self._limit]
        self.free = sum(1 for entry in used if entry & _MASK32 == _FREE)

    def chain(self, first: int, *, of: str) -> list[int]:
        """Return the clusters of the chain that begins at ``first``.

        Raises:
            FormatError: it leaves the filesystem, runs into a free or bad cluster, or loops.
        """
        found: list[int] = []
        cluster = first
        while True:
            if not FIRST_CLUSTER <= cluster < self._limit:
                raise FormatError(f"{self._name}: {of}: its chain runs into cluster {cluster}")
            if len(found) >= self._geometry.clusters:
                raise FormatError(f"{self._name}: {of}: its chain of clusters is a loop")
            found.append(cluster)
            following = self._entries[cluster] & _MASK32
            if following > self._end - 8:
                return found
            cluster = following

    def allocate(self, count: int, *, of: str) -> list[int]:
        """Take ``count`` free clusters, the lowest ones, and make them a chain.

        Raises:
            NoSpaceError: fewer clusters are free.
        """
        self.check_room(count, of=of)
        taken = []
        for _ in range(count):
            self._hint = self._find_free()
            taken.append(self._hint)
            self._set(self._hint, self._end)
        for cluster, following in itertools.pairwise(taken):
            self._set(cluster, following)
        self.free -= count
        return taken

    def check_room(self, count: int, *, of: str) -> None:
        """Refuse to go on when ``count`` clusters are not free."""
        if count > self.free:
            size = self._geometry.cluster_size
            raise NoSpaceError(
                f"{self._name}: {of}: needs {-(-count * size // KIB)} KiB more, "
                f"{self.free * size // KIB} KiB are free",
                hint="write less to this FAT partition; it cannot be enlarged",
            )

    def append(self, last: int, cluster: int) -> None:
        """Make ``cluster`` follow ``last``, which ends a chain."""
        self._set(last, cluster)

    def release(self, clusters: list[int]) -> None:
        """Give the clusters of a chain back."""
        for cluster in clusters:
            self._set(cluster, _FREE)
        self.free += len(clusters)
        self._hint = min([self._hint, *clusters])

    def flush(self) -> None:
        """Write the sectors that changed to every copy, and the counters of FSInfo."""
        if not self._is_changed:
            return
        raw = _encode(self._entries, self._geometry.bits, self._raw)
        for start, piece in _differences(self._raw, raw):
            for copy in range(self._geometry.copies):
                at = self._geometry.table + copy * self._geometry.table_size
                self._disk.write(at + start, piece)
        self._raw = raw
        self._write_fsinfo()
        self._is_changed = False

    def _read_copies(self) -> bytes:
        """Return the table, whose copies must agree."""
        size, place = self._geometry.table_size, self._geometry.table
        first = self._disk.read(place, size)
        for copy in range(1, self._geometry.copies):
            if self._disk.read(place + copy * size, size) != first:
                raise FormatError(
                    f"{self._name}: copies 1 and {copy + 1} of the allocation table differ",
                    hint="repair the filesystem with fsck.fat first",
                )
        return first

    def _find_free(self) -> int:
        """Return the lowest free cluster; there is one."""
        for cluster in range(self._hint, self._limit):
            if self._entries[cluster] & _MASK32 == _FREE:
                return cluster
        raise FormatError(f"{self._name}: the allocation table lost count of its free clusters")

    def _set(self, cluster: int, value: int) -> None:
        """Set an entry, keeping the four bits that FAT32 reserves."""
        self._entries[cluster] = (self._entries[cluster] & ~_MASK32 & 0xFFFFFFFF) | value
        self._is_changed = True

    def _write_fsinfo(self) -> None:
        """Write the counters of FSInfo, where there is one."""
        place = self._geometry.fsinfo
        if place is None:
            return
        sector = self._disk.read(place, SECTOR)
        if all(sector[at : at + 4] == mark for at, mark in _FSINFO_MARKS):
            counters = self.free.to_bytes(4, "little") + self._hint.to_bytes(4, "little")
            self._disk.write(place + 0x1E8, counters)


def _decode(raw: bytes, bits: int) -> "array[int]":
    """Return the entries of a table."""
    if bits == FAT12:
        return array("I", _unpack12(raw))
    entries = array("H" if bits == FAT16 else "I", raw)
    if sys.byteorder == "big":
        entries.byteswap()
    return entries


def _encode(entries: "array[int]", bits: int, old: bytes) -> bytes:
    """Return a table as it lies on the disk, as long as ``old``."""
    if bits == FAT12:
        packed = b"".join(
            (low | high << 12).to_bytes(3, "little")
            for low, high in zip(entries[::2], entries[1::2], strict=True)
        )
        return packed[: len(old)]
    copy = entries[:]
    if sys.byteorder == "big":
        copy.byteswap()
    return copy.tobytes()


def _unpack12(raw: bytes) -> Iterator[int]:
    """Yield the entries of a FAT12 table, two in three bytes; the last pair may be cut short."""
    for at in range(0, len(raw), 3):
        pair = int.from_bytes(raw[at : at + 3], "little")
        yield pair & 0xFFF
        yield pair >> 12


def _differences(old: bytes, new: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield offset and content of each sector of ``new`` that is not as in ``old``."""
    for start in range(0, len(new), SECTOR):
        piece = new[start : start + SECTOR]
        if piece != old[start : start + SECTOR]:
            yield start, piece
