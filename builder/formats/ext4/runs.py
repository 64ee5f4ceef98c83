"""Runs of ext4 blocks: where content lies, whatever structure says so."""

from typing import NamedTuple

from builder.structs import Struct, field


class Run(NamedTuple):
    """Neighbouring blocks of the filesystem."""

    start: int
    length: int


class Extent(NamedTuple):
    """Neighbouring blocks of a file that are neighbours in the filesystem too.

    Attributes:
        logical: First block, counted in the file.
        start: First block, counted in the filesystem.
        length: Number of blocks.
        written: Whether the blocks hold content; else they read as zeros.
    """

    logical: int
    start: int
    length: int
    written: bool = True


class Mapping(Struct):
    """All blocks of a file.

    Attributes:
        extents: Its content, in order; gaps read as zeros.
        tree: Blocks that hold the mapping itself.
    """

    extents: list[Extent] = field(default_factory=list)
    tree: list[int] = field(default_factory=list)

    @property
    def blocks_count(self) -> int:
        """Blocks of content and of the mapping."""
        return sum(extent.length for extent in self.extents) + len(self.tree)


def join_runs(runs: list[Run]) -> list[Run]:
    """Merge runs that follow each other."""
    joined: list[Run] = []
    for run in runs:
        if joined and joined[-1].start + joined[-1].length == run.start:
            joined[-1] = Run(joined[-1].start, joined[-1].length + run.length)
        else:
            joined.append(run)
    return joined
