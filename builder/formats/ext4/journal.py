"""The journal of ext4 (JBD2): replays committed transactions after an unclean unmount.

Source: kernel ``Documentation/filesystems/ext4/journal.rst`` and ``fs/jbd2/recovery.c``. Big
endian. A transaction is descriptor blocks, each followed by the blocks it names, revocations
of blocks that earlier transactions wrote, and a commit block; without that it never was.

    every block of the log's own   0x00 magic 0xC03B3998, kind, sequence (4 bytes each)
    superblock (kind 3 or 4)       0x0c block size, length, first block of the log, sequence
                                   expected first, its block (0: empty), error (4 each)
                                   0x24 compatible, incompatible, read-only features (4 each)
                                   0x30 UUID; 0x40 filesystems that use it (4)
                                   0x50 checksum algorithm (1); 0xfc checksum (4)
    descriptor (1)                 0x0c tags, at the end a checksum (4)
    commit (2)                     0x0c algorithm, size (1 each); 0x10 checksum (4)
    revocation (5)                 0x0c bytes in use (4), block numbers, at the end a checksum

Fast commits, asynchronous commits and journals on other devices are refused.
"""

import struct
import zlib
from bisect import bisect_right

from builder.errors import FormatError
from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.journal_tags import Tag, iter_tags
from builder.formats.ext4.mapping import Mapper
from builder.structs import Struct, field

_MAGIC = 0xC03B3998
_DESCRIPTOR, _COMMIT, _SUPERBLOCK_V1, _SUPERBLOCK, _REVOKE = 1, 2, 3, 4, 5
_HEADER = struct.Struct(">III")
_REVOKED = 16
_SUPERBLOCK_SIZE = 1024
_ALL_ONES = 0xFFFFFFFF
_COMPAT_CHECKSUM = 1
_WIDE, _ASYNC, _CHECKSUM_V2, _CHECKSUM_V3, _FAST = 2, 4, 8, 0x10, 0x20
_KNOWN = 1 | _WIDE | _CHECKSUM_V2 | _CHECKSUM_V3 | _ASYNC | _FAST
_CRC32, _CRC32C = 1, 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Log(Struct):
    """What the log holds: blocks to write, and blocks that older entries must not write."""

    writes: list[tuple[int, Tag, int]] = field(default_factory=list)
    revoked: dict[int, int] = field(default_factory=dict)
    sequence: int = 0


class Journal:
    """The journal inside a filesystem, its superblock checked."""

    def __init__(self, mapper: Mapper) -> None:
        self.volume = mapper.volume
        inode = mapper.inodes.read(self.volume.superblock.journal_inode)
        if not inode.is_file:
            raise self._damage(f"inode {inode.number} is not a regular file")
        self._extents = mapper.read(inode).extents
        self.raw = bytearray(self._read(0)[:_SUPERBLOCK_SIZE])
        magic, kind, _ = _HEADER.unpack_from(self.raw)
        if magic != _MAGIC or kind not in (_SUPERBLOCK_V1, _SUPERBLOCK):
            raise self._damage(f"superblock: magic {magic:#010x}, kind {kind}")
        self._size, self.length, self.first, self.sequence, self.start, self._error = (
            struct.unpack_from(">6I", self.raw, 0x0C)
        )
        self._compat, self._incompat, self._read_only = struct.unpack_from(">3I", self.raw, 0x24)
        self._users = struct.unpack_from(">I", self.raw, 0x40)[0]
        self._is_old = kind == _SUPERBLOCK_V1
        self._has_checksums = bool(self._incompat & (_CHECKSUM_V2 | _CHECKSUM_V3))
        self._seed = crc32c(_ALL_ONES, self.raw[0x30:0x40])
        self._check()

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits to be written."""
        return not self.start

    def replay(self) -> None:
        """Write the blocks of committed transactions to their places, and empty the log."""
        if self._incompat & (_ASYNC | _FAST):
            kind = "fast" if self._incompat & _FAST else "asynchronous"
            raise self._refuse(f"it may hold {kind} commits")
        if not self.is_empty:
            log = self._scan()
            for sequence, tag, position in log.writes:
                last = log.revoked.get(tag.block)
                if last is None or _is_later(sequence, last):
                    self.volume.write(tag.block, self._content(sequence, tag, position))
            self.sequence = log.sequence
        struct.pack_into(">II", self.raw, 0x18, (self.sequence + 1) & _ALL_ONES, 0)
        if self._has_checksums:
            struct.pack_into(">I", self.raw, 0xFC, self._superblock_checksum())
        self.volume.write(self._place(0), self.raw)

    def _damage(self, found: str) -> FormatError:
        """Return the error for a damaged log."""
        return self.volume.damage(f"journal: {found}")

    def _refuse(self, found: str) -> FormatError:
        """Return the error for a log of a kind that cannot be replayed here."""
        return FormatError(
            f"{self.volume.name}: journal: {found}, which cannot be replayed here",
            hint="mount the filesystem once and unmount it, or run e2fsck on a copy",
        )

    def _check(self) -> None:
        """Refuse a superblock that cannot be, and features that are not known."""
        if self._size != self.volume.block_size:
            raise self._damage(f"blocks of {self._size} bytes, wanted {self.volume.block_size}")
        if not 1 <= self.first < self.length:
            raise self._damage(f"the log begins at block {self.first} of {self.length}")
        if self.start and not self.first <= self.start < self.length:
            raise self._damage(f"the oldest transaction is at block {self.start} of {self.length}")
        self._check_blocks()
        self._check_version()
        if self._error:
            raise self._damage(f"an error was recorded ({self._error})")
        if self._incompat & ~_KNOWN or self._read_only:
            raise self._refuse(f"features {self._incompat:#x}, {self._read_only:#x}")
        self._check_sum()

    def _check_version(self) -> None:
        """Refuse a superblock whose fields do not go with its version or with an internal log."""
        later = (self._compat, self._incompat, self._read_only, self._users)
        if self._users > 1:
            raise self._damage(f"superblock: {self._users} filesystems use it, wanted one")
        if self._is_old and any(later):
            raise self._damage("superblock: version 1, but fields of version 2 are set")

    def _check_blocks(self) -> None:
        """Refuse a journal with holes."""
        position = 0
        for extent in self._extents:
            if extent.logical != position or not extent.written:
                break
            position += extent.length
        if position < self.length:
            raise self._damage(f"block {position} of {self.length} is not allocated")

    def _check_sum(self) -> None:
        """Compare the checksum of the journal's superblock."""
        if self._has_checksums:
            both = self._incompat & _CHECKSUM_V2 and self._incompat & _CHECKSUM_V3
            if both or self.raw[0x50] != _CRC32C:
                raise self._damage(f"checksum algorithm {self.raw[0x50]}, wanted {_CRC32C}")
            found = struct.unpack_from(">I", self.raw, 0xFC)[0]
            if found != self._superblock_checksum():
                raise self._damage(f"superblock: wrong checksum {found:#x}")

    def _superblock_checksum(self) -> int:
        """Return the checksum that the journal's superblock should have."""
        return crc32c(_ALL_ONES, self.raw[:0xFC] + bytes(4) + self.raw[0x100:])

    def _place(self, position: int) -> int:
        """Return the block of the filesystem that is the journal's ``position``-th."""
        index = bisect_right(self._extents, position, key=lambda extent: extent.logical) - 1
        if index >= 0:
            extent = self._extents[index]
            if position < extent.logical + extent.length and extent.written:
                return extent.start + position - extent.logical
        raise self._damage(f"block {position} is not allocated")

    def _read(self, position: int) -> bytes:
        """Return a block of the journal."""
        return self.volume.read(self._place(position))

    def _next(self, position: int) -> int:
        """Return the position after ``position``; the log is a ring."""
        return position + 1 if position + 1 < self.length else self.first

    def _scan(self) -> _Log:
        """Read the log up to its last commit."""
        log = _Log(sequence=self.sequence)
        writes: list[tuple[int, Tag, int]] = []
        revoked: list[int] = []
        position, left, crc = self.start, self.length - self.first, _ALL_ONES
        while left > 0:
            raw = self._read(position)
            magic, kind, sequence = _HEADER.unpack_from(raw)
            if magic != _MAGIC or sequence != log.sequence:
                break
            position, left = self._next(position), left - 1
            match kind:
                case _ if kind == _DESCRIPTOR:
                    tags = self._parse_descriptor(raw)
                    left -= len(tags)
                    crc = self._extend(crc, raw)
                    for tag in tags:
                        writes.append((sequence, tag, position))
                        if left >= 0 and self._compat & _COMPAT_CHECKSUM:
                            crc = self._extend(crc, self._read(position))
                        position = self._next(position)
                case _ if kind == _REVOKE:
                    revoked += self._parse_revocation(raw)
                case _ if kind == _COMMIT:
                    self._check_commit(raw, crc)
                    log.writes += writes
                    log.revoked.update(dict.fromkeys(revoked, sequence))
                    log.sequence = (sequence + 1) & _ALL_ONES
                    writes, revoked, crc = [], [], _ALL_ONES
                case _:
                    break
        return log

    def _parse_descriptor(self, raw: bytes) -> list[Tag]:
        self._check_tail(raw, "descriptor")
        end = len(raw) - (4 if self._has_checksums else 0)
        wide = bool(self._incompat & _WIDE)
        version = 3 if self._incompat & _CHECKSUM_V3 else 2 if self._has_checksums else 1
        return list(iter_tags(raw[:end], version, wide=wide))

    def _parse_revocation(self, raw: bytes) -> list[int]:
        """Return the blocks that a revocation block names."""
        self._check_tail(raw, "revocation")
        (used,) = struct.unpack_from(">I", raw, _HEADER.size)
        end = len(raw) - (4 if self._has_checksums else 0)
        if not _REVOKED <= used <= end:
            raise self._damage(f"a revocation block with {used} bytes in use")
        layout = struct.Struct(">Q" if self._incompat & _WIDE else ">I")
        used -= (used - _REVOKED) % layout.size
        return [block for (block,) in layout.iter_unpack(raw[_REVOKED:used])]

    def _check_tail(self, raw: bytes, what: str) -> None:
        """Compare the checksum at the end of a block."""
        if self._has_checksums:
            found = struct.unpack(">I", raw[-4:])[0]
            if found != crc32c(self._seed, raw[:-4] + bytes(4)):
                raise self._damage(f"a {what} block with the wrong checksum {found:#x}")

    def _check_commit(self, raw: bytes, crc: int) -> None:
        """Compare the checksum of a commit block, or of the transaction it ends."""
        algorithm, size = raw[0x0C:0x0E]
        found = struct.unpack_from(">I", raw, 0x10)[0]
        if self._has_checksums:
            wanted = crc32c(self._seed, raw[:0x10] + bytes(4) + raw[0x14:])
        elif self._compat & _COMPAT_CHECKSUM and (found or algorithm or size):
            wanted = crc if (algorithm, size) == (_CRC32, 4) else ~found
        else:
            return
        if found != wanted:
            raise self._damage(f"a commit block with the wrong checksum {found:#x}")

    def _content(self, sequence: int, tag: Tag, position: int) -> bytes:
        """Return the block that a tag names, as it goes into its place."""
        raw = self._read(position)
        if self._has_checksums:
            wanted = crc32c(crc32c(self._seed, struct.pack(">I", sequence)), raw)
            if not self._incompat & _CHECKSUM_V3:
                wanted &= 0xFFFF
            if tag.checksum != wanted:
                raise self._damage(f"the copy of block {tag.block} has the wrong checksum")
        return struct.pack(">I", _MAGIC) + raw[4:] if tag.is_escaped else raw

    def _extend(self, crc: int, raw: bytes) -> int:
        """Continue the CRC-32 (highest bit first, not inverted) of a transaction."""
        if not self._compat & _COMPAT_CHECKSUM:
            return crc
        state = _reverse(crc) ^ _ALL_ONES
        return _reverse(zlib.crc32(raw.translate(_REVERSED), state) ^ _ALL_ONES)


def _reverse(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "little").translate(_REVERSED), "big")


def _is_later(sequence: int, other: int) -> bool:
    """Return whether a sequence number comes after another; they wrap."""
    return 0 < (sequence - other) & _ALL_ONES < 1 << 31
