"""The hash index of a large ext4 directory.

Source: kernel ``Documentation/filesystems/ext4/directory.rst``, "Hash Tree Directories", and
``fs/ext4/namei.c``. Block 0 of the directory is the root; to a reader that knows no index,
root and nodes look like blocks without names.

    root   0x00 entries "." and ".." (12 bytes each)   node   0x00 one free entry
           0x18 4 zero; hash version; 8; levels               0x08 pairs
                below the root; flags (1 byte each)
           0x20 pairs

A pair is a hash and a block of the directory (4 bytes each); the block holds hashes from
that one on. The first pair's hash is left out: there stand the number of pairs there is
room for, and the number in use (2 bytes each). With metadata_csum, 4 zero bytes and a
CRC-32C follow the room for pairs.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator

from builder.formats.ext4.checksum import crc32c
from builder.formats.ext4.dirblock import DirectoryBlocks, Entry, entry_size
from builder.formats.ext4.dirhash import VERSIONS, name_hash
from builder.formats.ext4.features import Incompat
from builder.formats.ext4.inode import Inode
from builder.formats.ext4.mapping import Mapper
from builder.structs import Struct

_ROOT_BASE, _NODE_BASE = 0x20, 0x08
_PAIR, _TAIL = 8, 8
_UNSIGNED_HASH = 2
_BLOCK_MASK = 0x0FFFFFFF
_END = 1 << 32


class Node(Struct):
    """The root or a node: its place, its bytes, its pairs and how many fit."""

    block: int
    raw: bytearray
    base: int
    pairs: list[tuple[int, int]]
    limit: int

    @property
    def is_full(self) -> bool:
        """Return whether no pair fits."""
        return len(self.pairs) >= self.limit


class Step(Struct):
    """A node on the way to a leaf, and the pair that was taken."""

    node: Node
    position: int


class Index:
    """The index of one directory; the directory's inode is changed, but not written."""

    def __init__(self, blocks: DirectoryBlocks, mapper: Mapper, directory: Inode) -> None:
        self.blocks = blocks
        self.mapper = mapper
        self.directory = directory
        self.volume = mapper.volume
        self.numbers = mapper.blocks(directory)
        self.what = f"directory inode {directory.number}"
        if not self.numbers:
            raise self.volume.damage(f"{self.what}: an index without blocks")
        self._nodes: dict[int, Node] = {}
        self.root = self._read(0)

    def iter_leaves(self, name: bytes) -> Iterator[int]:
        """Yield the blocks that may hold ``name``."""
        wanted = self._hash(name)
        steps = self._descend(wanted)
        yield self._leaf(steps)
        while self._follow(steps, wanted):
            yield self._leaf(steps)

    def insert(self, new: Entry) -> bool:
        """Add a name to its leaf; return ``False`` when the index is full."""
        steps = self._descend(self._hash(new.name))
        leaf = self._leaf(steps)
        if self.blocks.insert(self.directory, leaf, new):
            return True
        entries = self.blocks.entries(self.blocks.read(self.directory, leaf), leaf)
        live = [entry for entry in entries if entry.inode] + [new]
        if sum(entry_size(entry.name) for entry in live) <= self.blocks.end:
            self.blocks.write(self.directory, leaf, self.blocks.pack(live))
            return True
        if not self._make_room(steps):
            return False
        self._split_leaf(steps, leaf, live)
        return True

    def iter_node_blocks(self) -> Iterator[int]:
        """Yield the blocks of the nodes below the root."""
        pending = [(block, self._levels) for _, block in self.root.pairs] if self._levels else []
        seen: set[int] = set()
        while pending:
            logical, height = pending.pop()
            if logical in seen:
                raise self.volume.damage(f"{self.what}: index block {logical} is used twice")
            seen.add(logical)
            yield self.numbers[logical]
            node = self._read(logical)
            if height > 1:
                pending += [(block, height - 1) for _, block in node.pairs]

    def check(self) -> None:
        """Refuse an index that does not lead to each of the directory's names.

        Raises:
            FormatError: a name lies in another block than the one for its hash.
        """
        others = set(self.numbers).difference([self.root.block, *self.iter_node_blocks()])
        for block, low, high in self._iter_ranges(self.root, self._levels, (0, _END)):
            if block not in others:
                raise self.volume.damage(f"{self.what}: index leaf {block} is used twice")
            others.remove(block)
            self._check_names(block, low, high)
        for block in sorted(others):
            self._check_names(block, _END, _END)

    def _iter_ranges(
        self, node: Node, height: int, limits: tuple[int, int]
    ) -> Iterator[tuple[int, int, int]]:
        """Yield each leaf below a node with its lowest hash and the one that is too high."""
        lows = [limits[0], *(first for first, _ in node.pairs[1:])]
        for low, high, (_, logical) in zip(lows, [*lows[1:], limits[1]], node.pairs, strict=True):
            if height:
                yield from self._iter_ranges(self._read(logical), height - 1, (low, high))
            else:
                yield self.numbers[logical], low & ~1, high

    def _check_names(self, block: int, low: int, high: int) -> None:
        """Refuse names of a leaf whose hash is not below ``high``, or below ``low``."""
        for entry in self.blocks.entries(self.blocks.read(self.directory, block), block):
            if entry.inode and not low <= self._hash(entry.name) < high:
                name = entry.name.decode("utf-8", "backslashreplace")
                raise self.volume.damage(f"{self.what}: its index does not lead to `{name}`")

    @property
    def _levels(self) -> int:
        """Levels of nodes between the root and the leaves."""
        return self.root.raw[0x1E]

    @property
    def _most_levels(self) -> int:
        """Levels that the features allow."""
        return 2 if self.volume.superblock.incompat & Incompat.LARGE_DIR else 1

    def _hash(self, name: bytes) -> int:
        """Return the hash of a name, as this index counts it."""
        superblock = self.volume.superblock
        unsigned = bool(superblock.flags & _UNSIGNED_HASH)
        return name_hash(name, self.root.raw[0x1C], superblock.hash_seed, unsigned=unsigned)

    def _leaf(self, steps: list[Step]) -> int:
        """Return the block of the leaf at the end of the way."""
        return self.numbers[steps[-1].node.pairs[steps[-1].position][1]]

    def _descend(self, wanted: int) -> list[Step]:
        """Return the way to the leaf for a hash."""
        steps = []
        node = self.root
        for level in range(self._levels + 1):
            position = bisect_right(node.pairs, (wanted, _BLOCK_MASK)) - 1
            steps.append(Step(node, position))
            if level < self._levels:
                node = self._read(node.pairs[position][1])
        return steps

    def _follow(self, steps: list[Step], wanted: int) -> bool:
        """Advance to the next leaf; return whether the hash continues there."""
        level = len(steps) - 1
        while steps[level].position + 1 == len(steps[level].node.pairs):
            if not level:
                return False
            level -= 1
        step = steps[level]
        step.position += 1
        if step.node.pairs[step.position][0] & ~1 != wanted:
            return False
        for below in range(level + 1, len(steps)):
            above = steps[below - 1]
            steps[below] = Step(self._read(above.node.pairs[above.position][1]), 0)
        return True

    def _split_leaf(self, steps: list[Step], leaf: int, live: list[Entry]) -> None:
        """Move the upper half of a leaf's hashes to a new leaf."""
        hashed = sorted(((self._hash(entry.name), entry) for entry in live), key=_by_hash)
        total = sum(entry_size(entry.name) for _, entry in hashed)
        middle, size = 0, 0
        while size < total // 2 and middle < len(hashed) - 1:
            size += entry_size(hashed[middle][1].name)
            middle += 1
        first = hashed[middle][0]
        continued = first == hashed[middle - 1][0]
        low = self.blocks.pack([entry for _, entry in hashed[:middle]])
        high = self.blocks.pack([entry for _, entry in hashed[middle:]])
        logical = self._append()
        self.blocks.write(self.directory, leaf, low)
        self.blocks.write(self.directory, self.numbers[logical], high)
        step = steps[-1]
        step.node.pairs.insert(step.position + 1, (first | continued, logical))
        self._write(step.node)

    def _make_room(self, steps: list[Step]) -> bool:
        """Make space for a pair in the last node of the path; return whether it succeeded."""
        while steps[-1].node.is_full:
            level = len(steps) - 1
            while level >= 0 and steps[level].node.is_full:
                level -= 1
            if level >= 0:
                self._split_node(steps[level], steps[level + 1])
            elif self._levels < self._most_levels:
                self._add_level(steps)
            else:
                return False
        return True

    def _add_level(self, steps: list[Step]) -> None:
        """Move all pairs of the root into a new node."""
        logical = self._append()
        node = self._make_node(logical, self.root.pairs)
        self.root.pairs = [(0, logical)]
        self.root.raw[0x1E] += 1
        steps.insert(1, Step(node, steps[0].position))
        steps[0].position = 0
        self._write(node)
        self._write(self.root)

    def _split_node(self, above: Step, step: Step) -> None:
        """Move the upper half of a node's pairs to a new node."""
        logical = self._append()
        pairs = step.node.pairs
        half = len(pairs) // 2
        node = self._make_node(logical, pairs[half:])
        step.node.pairs = pairs[:half]
        above.node.pairs.insert(above.position + 1, (pairs[half][0], logical))
        for changed in (step.node, node, above.node):
            self._write(changed)
        if step.position >= half:
            step.node, step.position = node, step.position - half
            above.position += 1

    def _append(self) -> int:
        """Give the directory one block more and return its place in it."""
        self.numbers.append(self.mapper.append(self.directory))
        return len(self.numbers) - 1

    def _make_node(self, logical: int, pairs: list[tuple[int, int]]) -> Node:
        """Return a node that was not there before."""
        raw = bytearray(self.volume.block_size)
        struct.pack_into("<IH", raw, 0, 0, self.volume.block_size)
        return Node(self.numbers[logical], raw, _NODE_BASE, list(pairs), self._limit(_NODE_BASE))

    def _limit(self, base: int) -> int:
        """Return how many pairs fit."""
        tail = _TAIL if self.blocks.tail_size else 0
        return (self.volume.block_size - base - tail) // _PAIR

    def _read(self, logical: int) -> Node:
        """Return the root or a node, read once."""
        if logical not in self._nodes:
            self._nodes[logical] = self._read_node(logical)
        return self._nodes[logical]

    def _read_node(self, logical: int) -> Node:
        block = self.numbers[logical]
        raw = bytearray(self.volume.read(block))
        base = _NODE_BASE if logical else _ROOT_BASE
        where = f"{self.what}: index block {logical}"
        if not logical:
            self._check_root(raw)
        elif struct.unpack_from("<IH", raw) != (0, self.volume.block_size):
            raise self.volume.damage(f"{where}: holds entries")
        limit, count = struct.unpack_from("<HH", raw, base)
        if limit != self._limit(base) or not 1 <= count <= limit:
            raise self.volume.damage(f"{where}: {count} pairs of {limit}")
        if self.blocks.tail_size and self.volume.is_new(block, self.directory.number):
            found = struct.unpack_from("<I", raw, base + limit * _PAIR + 4)[0]
            wanted = self._checksum(raw, base, count, limit)
            if found != wanted:
                raise self.volume.damage(f"{where}: checksum {found:#x}, wanted {wanted:#x}")
        words = struct.unpack_from(f"<{2 * count}I", raw, base)
        hashes, targets = (0, *words[2::2]), [word & _BLOCK_MASK for word in words[1::2]]
        if list(hashes) != sorted(hashes):
            raise self.volume.damage(f"{where}: hashes out of order")
        if not min(targets) or max(targets) >= len(self.numbers):
            raise self.volume.damage(f"{where}: a block outside the directory")
        return Node(block, raw, base, list(zip(hashes, targets, strict=True)), limit)

    def _check_root(self, raw: bytearray) -> None:
        """Refuse an index of a kind that is not known."""
        zero, version, size, levels, flags = struct.unpack_from("<IBBBB", raw, 0x18)
        if zero or size != _PAIR or flags & 1 or levels > self._most_levels:
            raise self.volume.damage(f"{self.what}: index root with {levels} levels")
        if version not in VERSIONS:
            raise self.volume.damage(f"{self.what}: hash version {version}, wanted 0, 1 or 2")

    def _write(self, node: Node) -> None:
        words = [word for pair in node.pairs for word in pair]
        struct.pack_into(f"<{len(words)}I", node.raw, node.base, *words)
        struct.pack_into("<HH", node.raw, node.base, node.limit, len(node.pairs))
        if self.blocks.tail_size:
            crc = self._checksum(node.raw, node.base, len(node.pairs), node.limit)
            struct.pack_into("<II", node.raw, node.base + node.limit * _PAIR, 0, crc)
        self.volume.write(node.block, node.raw)
        self.volume.is_new(node.block, self.directory.number)

    def _checksum(self, raw: bytearray, base: int, count: int, limit: int) -> int:
        """Return the checksum that a node should have."""
        crc = crc32c(self.mapper.inodes.seed(self.directory), raw[: base + count * _PAIR])
        tail = base + limit * _PAIR
        return crc32c(crc, raw[tail : tail + 4] + bytes(4))


def _by_hash(pair: tuple[int, Entry]) -> int:
    """Order entries by hash alone."""
    return pair[0]
