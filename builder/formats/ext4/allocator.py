"""Allocates and frees blocks and inodes of ext4.

Everything new goes near one place, the group of the first thing that was changed: what is
written to a compressed disk must be packed again, so the fewer places the better. Source of
the rules for tables that were never written: kernel ``fs/ext4/ialloc.c``.
"""

from collections.abc import Iterator

from builder.errors import NoSpaceError
from builder.formats.disk import MIB
from builder.formats.ext4.bitmaps import Bitmaps
from builder.formats.ext4.groups import BLOCK_UNINIT, INODE_UNINIT, INODE_ZEROED, Groups
from builder.formats.ext4.runs import Run, join_runs

_BITMAPS_TRIED = 16
_LONG_RUN = 2048


class Allocator:
    """Allocates and frees blocks and inodes."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.volume = groups.volume
        self.bitmaps = Bitmaps(groups)
        self._home: int | None = None

    def allocate(self, count: int, near: int) -> list[Run]:
        """Return ``count`` blocks in as few runs as is cheap to find.

        Args:
            count: Number of blocks.
            near: Group to begin at, for the first allocation of all.
        """
        self.check_room(count)
        runs: list[Run] = []
        left = count
        if not left:
            return runs
        for shortest, lazy in self._passes(count):
            for run in self._iter_free(shortest, near, lazy=lazy):
                taken = Run(run.start, min(run.length, left))
                self._take(taken)
                runs.append(taken)
                left -= taken.length
                if not left:
                    return join_runs(runs)
        raise self.volume.damage(f"fewer than {count} free blocks, as the superblock has it")

    def check_room(self, count: int, subject: str = "") -> None:
        """Check that enough blocks are free before an edit begins."""
        free = self.volume.superblock.free_blocks
        if count <= free:
            return
        size = self.volume.block_size
        raise NoSpaceError(
            f"{self.volume.name}: {subject or 'an edit'} needs {_mib(count * size)} MiB,"
            f" {_mib(free * size)} MiB are free; {_mib((count - free) * size)} MiB are missing",
            hint="ask for less, or enlarge the disk",
        )

    def free(self, run: Run, what: str) -> None:
        """Free blocks."""
        start, length = run
        while length:
            group = self.groups.group_of(start)
            first = start - self.groups.first_block(group)
            count = min(length, self.groups.blocks_in(group) - first)
            mask = ((1 << count) - 1) << first
            bits = self.bitmaps.blocks(group)
            if count < 1 or bits & mask != mask:
                raise self.volume.damage(f"{what}: a block from {start} on is already free")
            self.bitmaps.set_blocks(group, bits ^ mask)
            self._count_blocks(group, count)
            start, length = start + count, length - count

    def allocate_inode(self, near: int, *, directory: bool) -> int:
        """Return the number of a free inode."""
        superblock = self.volume.superblock
        for lazy in (False, True):
            for group in self._nearest(near):
                descriptor = self.groups[group]
                if descriptor.free_inodes and (lazy or not descriptor.flags & INODE_UNINIT):
                    index = self._free_index(group)
                    if index is not None:
                        self._take_inode(group, index, directory=directory)
                        return group * superblock.inodes_per_group + index + 1
        raise NoSpaceError(
            f"{self.volume.name}: all {superblock.inodes_count} inodes are in use",
            hint="ask for fewer files, or remove some of the base's",
        )

    def free_inode(self, number: int, *, directory: bool) -> None:
        """Free an inode."""
        group, index = divmod(number - 1, self.volume.superblock.inodes_per_group)
        bits = self.bitmaps.inodes(group)
        descriptor = self.groups[group]
        if not bits >> index & 1 or (directory and not descriptor.directories):
            raise self.volume.damage(f"inode {number} is in use, and free in its bitmap")
        self.bitmaps.set_inodes(group, bits ^ 1 << index)
        descriptor.free_inodes += 1
        descriptor.directories -= directory
        self.volume.superblock.free_inodes += 1
        self.groups.touch(group)

    def recount(self) -> None:
        """Set the superblock's counters from the groups; a replayed journal leaves them old."""
        superblock = self.volume.superblock
        every = [self.groups[group] for group in range(superblock.groups_count)]
        superblock.free_blocks = sum(descriptor.free_blocks for descriptor in every)
        superblock.free_inodes = sum(descriptor.free_inodes for descriptor in every)

    def _passes(self, count: int) -> Iterator[tuple[int, bool]]:
        """Yield the shortest run to accept, and whether fresh groups may be begun."""
        yield count, False
        yield count, True
        if count > _LONG_RUN:
            yield _LONG_RUN, True
        if count > 1:
            yield 1, True

    def _nearest(self, near: int) -> Iterator[int]:
        """Yield all groups, those around the place of all edits first."""
        if self._home is None:
            self._home = near
        home, count = self._home, self.volume.superblock.groups_count
        yield home
        for distance in range(1, max(home + 1, count - home)):
            if home >= distance:
                yield home - distance
            if home + distance < count:
                yield home + distance

    def _iter_free(self, shortest: int, near: int, *, lazy: bool) -> Iterator[Run]:
        """Yield free runs of ``shortest`` blocks at least; few places are tried for long ones."""
        tries = _BITMAPS_TRIED
        for group in self._nearest(near):
            descriptor = self.groups[group]
            if descriptor.free_blocks < shortest or (descriptor.flags & BLOCK_UNINIT and not lazy):
                continue
            free = ~self.bitmaps.blocks(group) & ((1 << self.groups.blocks_in(group)) - 1)
            for run in _iter_runs(free, shortest):
                yield Run(self.groups.first_block(group) + run.start, run.length)
            tries -= shortest > 1
            if not tries:
                return

    def _take(self, run: Run) -> None:
        """Mark a free run as used; it lies in one group."""
        self.groups.check_usable(run.start, run.length, "the block bitmap")
        group = self.groups.group_of(run.start)
        mask = ((1 << run.length) - 1) << (run.start - self.groups.first_block(group))
        self.bitmaps.set_blocks(group, self.bitmaps.blocks(group) | mask)
        self._count_blocks(group, -run.length)

    def _count_blocks(self, group: int, freed: int) -> None:
        """Change the counters of free blocks."""
        superblock = self.volume.superblock
        total = superblock.free_blocks + freed
        if not 0 <= total <= superblock.blocks_count:
            raise self.volume.damage(f"superblock: {superblock.free_blocks} free blocks")
        superblock.free_blocks = total
        self.groups[group].free_blocks += freed
        self.groups.touch(group)

    def _free_index(self, group: int) -> int | None:
        """Return the first free inode of a group that is not reserved."""
        superblock = self.volume.superblock
        bits = self.bitmaps.inodes(group)
        if group == 0:
            bits |= (1 << (superblock.first_inode - 1)) - 1
        index = (~bits & (bits + 1)).bit_length() - 1
        return index if index < superblock.inodes_per_group else None

    def _take_inode(self, group: int, index: int, *, directory: bool) -> None:
        """Mark an inode as used."""
        superblock, descriptor = self.volume.superblock, self.groups[group]
        if not superblock.free_inodes:
            raise self.volume.damage("superblock: no free inodes, but a group has some")
        self.bitmaps.set_inodes(group, self.bitmaps.inodes(group) | 1 << index)
        if superblock.has_group_checksums:
            self.bitmaps.blocks(group)
            self._open_table(group, index)
        descriptor.free_inodes -= 1
        descriptor.directories += directory
        superblock.free_inodes -= 1
        self.groups.touch(group)

    def _open_table(self, group: int, index: int) -> None:
        """Zero the part of an inode table up to ``index`` that was never initialised."""
        superblock, descriptor = self.volume.superblock, self.groups[group]
        used = superblock.inodes_per_group - descriptor.unused_inodes
        if index < used:
            return
        per_block = superblock.block_size // superblock.inode_size
        if not descriptor.flags & INODE_ZEROED:
            for block in range(-(-used // per_block), index // per_block + 1):
                self.volume.write(descriptor.inode_table + block, bytes(superblock.block_size))
        descriptor.unused_inodes = superblock.inodes_per_group - index - 1


def _iter_runs(free: int, shortest: int) -> Iterator[Run]:
    """Yield the runs of set bits that are long enough, lowest first."""
    while free:
        fits, length = free, 1
        while length < shortest:
            step = min(length, shortest - length)
            fits &= fits >> step
            length += step
        if not fits:
            return
        start = (fits & -fits).bit_length() - 1
        rest = free >> start
        length = (rest ^ (rest + 1)).bit_length() - 1
        yield Run(start, length)
        free = (rest >> length) << (start + length)


def _mib(size: int) -> str:
    """Format bytes as MiB, rounded up to a tenth."""
    return f"{-(-10 * size // MIB) / 10:.1f}"
