"""One block of ext4 directory entries.

Source: kernel ``Documentation/filesystems/ext4/directory.rst``. Entries fill the block: inode
(4 bytes, 0 when free), length of the entry (2, a multiple of 4), length of the name (1),
type (1), name. With metadata_csum the last 12 bytes look like a free entry of type 0xDE and
end with the CRC-32C of what is before them.
"""

import struct
from typing import NamedTuple

from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.features import Incompat
from builder.formats.ext4.inode import Inode, Inodes

NAME_LIMIT = 255
TYPE_FILE, TYPE_DIRECTORY, TYPE_SYMLINK = 1, 2, 7
_ENTRY = struct.Struct("<IHBB")
_TAIL = struct.Struct("<IHBBI")
_TAIL_TYPE = 0xDE
_SMALLEST = 12
_PARSED_BLOCKS = 512
"""How many blocks are remembered with their entries: lookups come in clusters."""


class Listing(NamedTuple):
    """The entries of a block as it was read, and the bytes that each of them does not need."""

    raw: bytes
    entries: list["Entry"]
    slack: list[int]


class Entry(NamedTuple):
    """One entry; ``offset`` and ``length`` are bytes in the block."""

    offset: int
    inode: int
    length: int
    name: bytes
    type: int


def entry_size(name: bytes) -> int:
    """Return the bytes that an entry needs."""
    return (_ENTRY.size + len(name) + 3) & ~3


def _slack(entry: Entry) -> int:
    """Return the bytes of an entry that it does not need."""
    return entry.length - (entry_size(entry.name) if entry.inode else 0)


class DirectoryBlocks:
    """Reads, checks and writes blocks of entries."""

    def __init__(self, inodes: Inodes) -> None:
        self.inodes = inodes
        self.volume = inodes.volume
        superblock = inodes.volume.superblock
        self._has_types = bool(superblock.incompat & Incompat.FILETYPE)
        self.tail_size = _TAIL.size if superblock.has_checksums else 0
        self.end = self.volume.block_size - self.tail_size
        self._room: dict[int, int] = {}
        self._listings: dict[int, Listing] = {}

    def read(self, directory: Inode, block: int) -> bytearray:
        """Return a block of entries, its checksum compared."""
        raw = bytearray(self.volume.read(block))
        if self.tail_size and self.volume.is_new(block, directory.number):
            what = f"directory inode {directory.number}: block {block}"
            zero, length, name, kind, found = _TAIL.unpack_from(raw, self.end)
            if (zero, length, name, kind) != (0, _TAIL.size, 0, _TAIL_TYPE):
                raise self.volume.damage(f"{what}: no checksum at its end")
            wanted = crc32c(self.inodes.seed(directory), raw[: self.end])
            if found != wanted:
                raise self.volume.damage(f"{what}: checksum {found:#x}, wanted {wanted:#x}")
        return raw

    def write(self, directory: Inode, block: int, raw: bytearray) -> None:
        """Write a block of entries with its checksum."""
        if self.tail_size:
            crc = crc32c(self.inodes.seed(directory), raw[: self.end])
            _TAIL.pack_into(raw, self.end, 0, _TAIL.size, 0, _TAIL_TYPE, crc)
        self.volume.write(block, raw)
        self.volume.is_new(block, directory.number)
        self._room.pop(block, None)

    def entries(self, raw: bytearray, block: int) -> list[Entry]:
        """Return the entries of a block, free ones too; they are not to be changed."""
        return self._listing(raw, block).entries

    def _listing(self, raw: bytearray, block: int) -> Listing:
        """Return the entries of a block with their slack, remembered while it stays as it is."""
        known = self._listings.get(block)
        if known is None or known.raw != raw:
            if len(self._listings) >= _PARSED_BLOCKS:
                self._listings.clear()
            entries = self._parse(raw, block)
            known = Listing(bytes(raw), entries, [_slack(entry) for entry in entries])
            self._listings[block] = known
        return known

    def _parse(self, raw: bytearray, block: int) -> list[Entry]:
        """Return the entries of a block, checked."""
        entries = []
        offset, data, most = 0, bytes(raw), self.volume.superblock.inodes_count
        while offset < self.end:
            if offset + _SMALLEST > self.end:
                raise self._bad(block, offset, "no room for an entry")
            inode, length, size, kind = _ENTRY.unpack_from(data, offset)
            if length < _SMALLEST or length % 4 or offset + length > self.end:
                raise self._bad(block, offset, f"an entry of {length} bytes")
            start = offset + _ENTRY.size
            name = data[start : start + size]
            if inode and not (inode <= most and 0 < size <= length - _ENTRY.size):
                raise self._bad(block, offset, f"a name of {size} bytes for inode {inode}")
            if inode and (b"/" in name or b"\0" in name):
                raise self._bad(block, offset, f"the name {name!r}")
            entries.append(Entry(offset, inode, length, name, kind))
            offset += length
        return entries

    def insert(self, directory: Inode, block: int, new: Entry) -> bool:
        """Insert an entry into a block if it fits; return whether it did."""
        need = entry_size(new.name)
        if self._room.get(block, need) < need:
            return False
        raw = self.read(directory, block)
        _, entries, slack = self._listing(raw, block)
        self._room[block] = most = max(slack, default=0)
        if most < need:
            return False
        place = next(index for index, free in enumerate(slack) if free >= need)
        entry, free = entries[place], slack[place]
        used = entry.length - free
        new = new._replace(offset=entry.offset + used, length=free)
        if used:
            struct.pack_into("<H", raw, entry.offset + 4, used)
        self._put(raw, new)
        self.write(directory, block, raw)
        kept = [entry._replace(length=used)] if used else []
        entries[place : place + 1] = [*kept, new]
        slack[place : place + 1] = [*[0 for _ in kept], free - need]
        self._listings[block] = Listing(bytes(raw), entries, slack)
        return True

    def remove(self, raw: bytearray, entries: list[Entry], name: bytes) -> None:
        """Free the entry of a name; its bytes join those of the entry before."""
        previous: Entry | None = None
        for entry in entries:
            if entry.inode and entry.name == name:
                if previous is None:
                    struct.pack_into("<I", raw, entry.offset, 0)
                else:
                    length = previous.length + entry.length
                    struct.pack_into("<H", raw, previous.offset + 4, length)
                return
            previous = entry

    def pack(self, entries: list[Entry]) -> bytearray:
        """Return a block with these entries, without gaps between them."""
        raw = bytearray(self.volume.block_size)
        offset = 0
        for index, entry in enumerate(entries):
            last = index == len(entries) - 1
            length = self.end - offset if last else entry_size(entry.name)
            self._put(raw, entry._replace(offset=offset, length=length))
            offset += length
        if not entries:
            _ENTRY.pack_into(raw, 0, 0, self.end, 0, 0)
        return raw

    def _put(self, raw: bytearray, entry: Entry) -> None:
        kind = entry.type if self._has_types else 0
        _ENTRY.pack_into(raw, entry.offset, entry.inode, entry.length, len(entry.name), kind)
        start = entry.offset + _ENTRY.size
        raw[start : start + len(entry.name)] = entry.name

    def _bad(self, block: int, offset: int, found: str) -> Exception:
        """Return the error for a damaged entry."""
        return self.volume.damage(f"directory block {block}, byte {offset}: {found}")
