"""ext4 directories: finding, adding and removing names, with an index or without.

Source: kernel ``Documentation/filesystems/ext4/directory.rst``. A directory that outgrows
its first block stays a plain list: an index is kept, never begun.
"""

import struct
from collections import Counter
from collections.abc import Iterable

from builder.errors import GuestError
from builder.formats.ext4.allocator import Allocator
from builder.formats.ext4.dirblock import (
    NAME_LIMIT,
    TYPE_DIRECTORY,
    DirectoryBlocks,
    Entry,
)
from builder.formats.ext4.features import ReadOnly
from builder.formats.ext4.htree import Index
from builder.formats.ext4.inode import INDEX_FLAG, Inode
from builder.formats.ext4.mapping import Mapper

_MOST_LINKS = 65000
_OWN_LINKS = 2
_DOTS = (b".", b"..")


class Directories:
    """The directories of a filesystem; inodes given are changed, and written by the caller."""

    def __init__(self, mapper: Mapper, allocator: Allocator) -> None:
        self.mapper = mapper
        self.allocator = allocator
        self.volume = mapper.volume
        self.blocks = DirectoryBlocks(mapper.inodes)
        self._known: dict[int, dict[bytes, int]] = {}
        self._indices: dict[int, Index] = {}
        self._checked: set[int] = set()

    def find(self, directory: Inode, name: bytes) -> int:
        """Return the inode number of ``name``; zero when it is absent.

        What was found is remembered until the name changes: paths share their beginnings.
        """
        known = self._known.setdefault(directory.number, {})
        if name not in known:
            found = self._find(directory, name)
            known[name] = found[1].inode if found else 0
        return known[name]

    def entries(self, directory: Inode) -> list[Entry]:
        """Return all entries but ``.`` and ``..``.

        Raises:
            FormatError: the directory is damaged, or has a name twice.
        """
        skipped = set()
        if directory.flags & INDEX_FLAG:
            index = self._checked_index(directory)
            skipped = {index.root.block, *index.iter_node_blocks()}
        live = []
        for block in self.mapper.blocks(directory):
            if block not in skipped:
                raw = self.blocks.read(directory, block)
                live += [entry for entry in self.blocks.entries(raw, block) if entry.inode]
        twice = [name for name, count in Counter(entry.name for entry in live).items() if count > 1]
        if twice:
            name = twice[0].decode("utf-8", "backslashreplace")
            raise self.volume.damage(f"directory inode {directory.number}: has `{name}` twice")
        if not directory.flags & INDEX_FLAG:  # who lists a directory asks for its names next
            self._known[directory.number] = {entry.name: entry.inode for entry in live}
        return [entry for entry in live if entry.name not in _DOTS]

    def add(self, directory: Inode, name: bytes, child: int, kind: int) -> None:
        """Add a name that is not there yet, of 255 bytes at most."""
        self._forget(directory, name)
        new = Entry(0, child, 0, name, kind)
        if directory.flags & INDEX_FLAG:
            index = self._checked_index(directory)
            self._forget(directory, name)
            if index.insert(new):
                return
            self.drop_index(directory)
        for block in reversed(self.mapper.blocks(directory)):
            if self.blocks.insert(directory, block, new):
                return
        block = self.mapper.append(directory)
        self.blocks.write(directory, block, self.blocks.pack([new]))

    def replace(self, directory: Inode, name: bytes, child: int, kind: int) -> None:
        """Have an existing name stand for another inode."""
        self.remove(directory, name)
        self.add(directory, name, child, kind)

    def remove(self, directory: Inode, name: bytes) -> None:
        """Remove a name."""
        self._forget(directory, name)
        found = self._find(directory, name)
        if found:
            block, _ = found
            raw = self.blocks.read(directory, block)
            self.blocks.remove(raw, self.blocks.entries(raw, block), name)
            self.blocks.write(directory, block, raw)

    def begin(self, directory: Inode, parent: int) -> None:
        """Give a new directory its first block, with ``.`` and ``..``."""
        self._known.pop(directory.number, None)
        self._indices.pop(directory.number, None)
        self._checked.discard(directory.number)
        runs = self.allocator.allocate(1, self.mapper.near(directory))
        self.mapper.assign(directory, runs)
        directory.size = self.volume.block_size
        dots = (directory.number, parent)
        entries = [
            Entry(0, number, 0, name, TYPE_DIRECTORY)
            for number, name in zip(dots, _DOTS, strict=True)
        ]
        self.blocks.write(directory, runs[0].start, self.blocks.pack(entries))

    def add_link(self, directory: Inode) -> None:
        """Count one subdirectory more."""
        if directory.links == 1:
            return
        if directory.links < _MOST_LINKS - 1:
            directory.links += 1
        elif self.volume.superblock.read_only & ReadOnly.DIR_NLINK:
            directory.links = 1
        else:
            raise GuestError(
                f"{self.volume.name}: directory inode {directory.number}"
                f" has {directory.links - _OWN_LINKS} subdirectories, which is the most"
            )

    def drop_link(self, directory: Inode) -> None:
        """Count one subdirectory less."""
        if directory.links > _OWN_LINKS:
            directory.links -= 1

    def drop_index(self, directory: Inode) -> None:
        """Make an indexed directory a plain list, its leaves as they are."""
        index = Index(self.blocks, self.mapper, directory)
        root = index.root
        nodes = list(index.iter_node_blocks())
        raw = bytearray(self.volume.block_size)
        raw[:24] = root.raw[:24]
        struct.pack_into("<H", raw, 16, self.blocks.end - 12)
        self.blocks.write(directory, root.block, raw)
        for block in nodes:
            self.blocks.write(directory, block, self.blocks.pack([]))
        directory.flags &= ~INDEX_FLAG

    def _forget(self, directory: Inode, name: bytes) -> None:
        """Forget what was found in a directory: a name of it is about to change."""
        self._known.get(directory.number, {}).pop(name, None)
        self._indices.pop(directory.number, None)

    def _index(self, directory: Inode) -> Index:
        """Return the index of a directory, for reading alone."""
        if directory.number not in self._indices:
            self._indices[directory.number] = Index(self.blocks, self.mapper, directory)
        return self._indices[directory.number]

    def _checked_index(self, directory: Inode) -> Index:
        """Return the index of a directory, for reading alone; refuse one that misses names."""
        index = self._index(directory)
        if directory.number not in self._checked:
            index.check()
            self._checked.add(directory.number)
        return index

    def _find(self, directory: Inode, name: bytes) -> tuple[int, Entry] | None:
        """Return the block that holds ``name``, and its entry."""
        if len(name) > NAME_LIMIT:
            return None
        blocks: Iterable[int]
        if directory.flags & INDEX_FLAG:
            blocks = self._index(directory).iter_leaves(name)
        else:
            blocks = self.mapper.blocks(directory)
        for block in blocks:
            raw = self.blocks.read(directory, block)
            if name in raw:
                for entry in self.blocks.entries(raw, block):
                    if entry.inode and entry.name == name:
                        return block, entry
        return None
