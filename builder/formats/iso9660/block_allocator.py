"""Block allocator for additions to an ISO 9660 image: freed older additions, then the end."""

from collections.abc import Iterable

from builder.formats.iso9660.volume import blocks_of


class BlockAllocator:
    """Allocates runs of blocks.

    Args:
        first: First block that may be allocated.
        reachable: Runs of blocks behind it that are in use: first and count.
    """

    def __init__(self, first: int, reachable: Iterable[tuple[int, int]] = ()) -> None:
        self.end = first
        self._free: list[tuple[int, int]] = []
        for block, count in sorted(reachable):
            if block > self.end:
                self._free.append((self.end, block))
            self.end = max(self.end, block + count)

    @property
    def free(self) -> list[tuple[int, int]]:
        """Runs that are left: first block and the one behind the last."""
        return list(self._free)

    def take(self, size: int, after: int = 0) -> int:
        """Return the first of as many blocks as ``size`` bytes need, at least one.

        Args:
            size: Bytes.
            after: Block behind which they must lie.
        """
        count = max(1, blocks_of(size))
        for at, (start, end) in enumerate(self._free):
            if end - start >= count and start > after:
                self._free[at] = (start + count, end)
                if start + count == end:
                    del self._free[at]
                return start
        start = self.end
        self.end += count
        return start
