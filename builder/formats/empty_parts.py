"""Limit of consecutive empty parts in a compressed stream.

Formats allow members, frames and blocks without content, as many as fit. A few bytes each, they
cost time and give nothing; no writer makes more than a few.
"""

from builder.errors import FormatError

MOST = 1 << 16


class EmptyParts:
    """Counts parts that hold nothing."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def see(self, *, is_empty: bool) -> None:
        """Take the next part.

        Raises:
            FormatError: too many empty parts in a row.
        """
        self._count = self._count + 1 if is_empty else 0
        if self._count > MOST:
            raise FormatError(
                f"{self._name}: more than {MOST} empty parts in a row",
                hint="pack it again: unpack it with the tool of its format, then compress the disk",
            )
