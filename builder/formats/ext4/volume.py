"""The blocks of one ext4 filesystem on a disk, and the errors for damaged ones."""

from builder.errors import FormatError
from builder.formats.disk import Disk
from builder.formats.ext4.superblock import OFFSET, SIZE, Superblock


class Volume:
    """Reads and writes blocks by number; keeps the superblock.

    Attributes:
        name: What messages call the filesystem.
        timestamp: Time that is written into everything.
        superblock: The primary superblock, checked.
        block_size: Bytes in a block.
        is_changed: Whether anything was written since the superblock was.
    """

    def __init__(self, disk: Disk, offset: int, *, timestamp: int, name: str) -> None:
        self.disk = disk
        self.offset = offset
        self.timestamp = timestamp
        self.name = name
        if offset < 0 or offset + OFFSET + SIZE > disk.size:
            raise FormatError(
                f"{name}: no ext4 superblock: the disk ends at byte {disk.size},"
                f" wanted {offset + OFFSET + SIZE}"
            )
        self.superblock = Superblock(disk.read(offset + OFFSET, SIZE), name)
        self.block_size = self.superblock.block_size
        self.is_changed = False
        self._verified: set[tuple[int, int]] = set()
        end = offset + self.superblock.blocks_count * self.block_size
        if end > disk.size:
            raise FormatError(
                f"{name}: the filesystem ends at byte {end} of a disk of {disk.size}",
                hint="the file may be truncated: download the base again",
            )

    def damage(self, found: str) -> FormatError:
        """Return the error for a structure that cannot be; ``found`` names it."""
        return FormatError(
            f"{self.name}: {found}",
            hint="run e2fsck -f on a copy of the filesystem, or take another base",
        )

    def read(self, block: int, count: int = 1) -> bytes:
        """Return ``count`` blocks from ``block`` on."""
        self.check_range(block, count, "a read")
        return self.read_at(block * self.block_size, count * self.block_size)

    def write(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes from the start of ``block`` on."""
        self.check_range(block, -(-len(data) // self.block_size), "a write")
        self.write_at(block * self.block_size, data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes, counted from the start of the filesystem."""
        return self.disk.read(self.offset + offset, length)

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes, counted from the start of the filesystem."""
        self.disk.write(self.offset + offset, data)
        self.is_changed = True

    def write_superblock(self) -> None:
        """Write the primary superblock."""
        self.superblock.seal(self.timestamp)
        self.disk.write(self.offset + OFFSET, self.superblock.raw)
        self.is_changed = False

    def check_range(self, block: int, count: int, what: str) -> None:
        """Refuse blocks that the filesystem does not have."""
        last = self.superblock.blocks_count
        if not self.superblock.first_data_block <= block <= block + count <= last:
            raise self.damage(f"{what} names the blocks {block} to {block + count - 1} of {last}")

    def is_new(self, block: int, inode: int) -> bool:
        """Return whether ``block`` of ``inode`` is seen for the first time.

        A checksum is compared once: what this process wrote itself is right.
        """
        size = len(self._verified)
        self._verified.add((block, inode))
        return len(self._verified) > size
