"""Decompression-bomb guard: caps a disk stream at the size that its partition table declares.

A few KiB of gzip or xz may unpack to terabytes. Zeros cost no room, but time; all else costs room.
The table itself may say that the disk is endless, so it is looked at first: what is larger than
any target takes is refused before it is unpacked. Otherwise does not judge the table, and does not
bound files that are there unpacked.
"""

from builder.errors import FormatError
from builder.formats.disk import GIB, MIB, SECTOR
from builder.formats.gpt import claimed_size
from builder.formats.mbr import end_of_entries
from builder.formats.sparse import LARGEST_DISK, is_zero

_MOST_ZEROS = 64 * GIB
_MOST_DATA = 64 * MIB
"""Footers, a second table, what was there before: more than tools leave behind a table's end."""


class SizeLimit:
    """Counts the bytes behind the end that a disk's own partition table declares."""

    def __init__(self, head: bytes, *, name: str) -> None:
        """Read the end from the first two sectors or more of a disk.

        Raises:
            FormatError: the table ends behind 2 TiB, more than any target accepts.
        """
        self._end = max(claimed_size(head), end_of_entries(head[:SECTOR]))
        self._name = name
        self._data = 0
        if self._end > LARGEST_DISK:
            raise FormatError(
                f"{name}: its partition table ends at byte {self._end};"
                f" wanted {LARGEST_DISK} (2 TiB) at most, the limit of all targets",
                hint="use the image of a smaller disk, and check that the file is the right one",
            )

    def check_size(self, size: int) -> None:
        """Refuse a declared size far beyond the end of the table.

        Raises:
            FormatError: the size exceeds the limit.
        """
        if size > self._end + _MOST_ZEROS:
            self._refuse(f"to {size} bytes")

    def admit(self, offset: int, data: bytes) -> None:
        """Count a piece of at most 1 MiB that is to be written at ``offset``.

        Raises:
            FormatError: too much data lies behind the end of the table.
        """
        end = offset + len(data)
        if end <= self._end:
            return
        if end > self._end + _MOST_ZEROS:
            self._refuse(f"to more than {_MOST_ZEROS // GIB} GiB behind it")
        self._data += 0 if is_zero(data) else len(data)
        if self._data > _MOST_DATA:
            self._refuse(f"to more than {_MOST_DATA // MIB} MiB of data behind it")

    def _refuse(self, how_far: str) -> None:
        """Raise the error for a stream beyond its limit."""
        raise FormatError(
            f"{self._name}: its partition table ends at byte {self._end}, and it unpacks {how_far}",
            hint="unpack and cut it yourself if you trust it: truncate -s SIZE",
        )
