"""Blocks of one card that differ from the image: its own host name, for example."""

from collections.abc import Iterator, Mapping

from builder.burn.chunks import ALIGN


class Overlay:
    """Blocks that are laid over an image.

    Args:
        blocks: Offset, a multiple of ``ALIGN``, to the bytes there.
    """

    def __init__(self, blocks: Mapping[int, bytes] | None = None) -> None:
        self._blocks = dict(sorted((blocks or {}).items()))

    def within(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield the parts of the blocks that lie in a range, as offset and bytes."""
        for offset, block in self._blocks.items():
            low, high = max(start, offset), min(end, offset + len(block))
            if low < high:
                yield (
                    low,
                    block[low - offset : high - offset].ljust(
                        -(-(high - low) // ALIGN) * ALIGN, b"\0"
                    ),
                )
