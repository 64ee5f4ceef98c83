"""The checksum that isomd5sum implants into an image, for installers that check their medium.

Source: isomd5sum (implantisomd5, checkisomd5), utilities.h and libimplantisomd5.c. The record
is text in the application use area of the primary descriptor, which itself counts as blanks:
``ISO MD5SUM = <hex>;SKIPSECTORS = 15;RHLISOSTATUS=<0 or 1>;FRAGMENT SUMS = <60 hex
digits>;FRAGMENT COUNT = 20;...``. The sum covers the volume without its last 15 blocks. A
fragment's sum is the first digit of each of three bytes of the MD5 so far; it is taken behind
the first run of 32 KiB that begins in the next fragment.
"""

import hashlib
import re
from collections.abc import Iterable

from builder.errors import FormatError
from builder.formats.disk import Disk
from builder.formats.iso9660.volume import APPLICATION_USE, BLOCK, Volume
from builder.structs import Struct

_RUN = 16 * BLOCK
_SKIPPED_BLOCKS = 15
_FRAGMENTS = 20
_DIGITS = 3
_RECORD = re.compile(rb"ISO MD5SUM = ([0-9a-f]{32});")
_SKIPPED = re.compile(rb"SKIPSECTORS = (\d{1,6});")
_STATUS = re.compile(rb"RHLISOSTATUS=([01]);")
_SUMS = re.compile(rb"FRAGMENT SUMS = ([0-9a-f]{60});")
_NOTE = "THIS IS NOT THE SAME AS RUNNING MD5SUM ON THIS ISO!!"


class MediaSum(Struct, frozen=True):
    """An implanted checksum.

    Attributes:
        md5: Of what it covers.
        fragments: Sums of the fragments, one after the other; empty when there are none.
        skipped_blocks: Blocks at the end that it does not cover.
        supported: The flag that comes with it.
    """

    md5: str
    fragments: str
    skipped_blocks: int
    supported: bool


class Summing:
    """Computes the sum of an image from its bytes, in order."""

    def __init__(self, volume_size: int, skipped_blocks: int = _SKIPPED_BLOCKS) -> None:
        self._left = max(0, volume_size - skipped_blocks * BLOCK)
        self._fragment_size = max(1, self._left // (_FRAGMENTS + 1))
        self._skipped = skipped_blocks
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._offset = 0
        self._fragment = 0
        self._sums = ""
        self._run = bytearray()

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes; the application use area must be blanks in them."""
        wanted = memoryview(data)[: self._left]
        self._left -= len(wanted)
        self._run += wanted
        while len(self._run) >= _RUN:
            self._take(bytes(self._run[:_RUN]))
            del self._run[:_RUN]

    def result(self, *, supported: bool) -> MediaSum:
        """Return the checksum, once everything has been taken."""
        if self._run:
            self._take(bytes(self._run))
            self._run.clear()
        return MediaSum(self._md5.hexdigest(), self._sums, self._skipped, supported)

    def _take(self, run: bytes) -> None:
        """Sum one run and, when it begins a fragment, note the sum so far."""
        self._md5.update(run)
        fragment = self._offset // self._fragment_size
        if fragment != self._fragment and len(self._sums) < _FRAGMENTS * _DIGITS:
            self._sums += "".join(f"{byte:x}"[0] for byte in self._md5.digest()[:_DIGITS])
            self._fragment = fragment
        self._offset += len(run)


def parse_sum(area: bytes) -> MediaSum | None:
    """Return the checksum in an application use area, if there is one."""
    md5, skipped = _RECORD.search(area), _SKIPPED.search(area)
    if md5 is None or skipped is None:
        return None
    status, sums = _STATUS.search(area), _SUMS.search(area)
    return MediaSum(
        md5[1].decode(),
        sums[1].decode() if sums else "",
        int(skipped[1]),
        status is not None and status[1] == b"1",
    )


def format_sum(found: MediaSum) -> bytes:
    """Return the text of a checksum, without the blanks behind it."""
    return (
        f"ISO MD5SUM = {found.md5};SKIPSECTORS = {found.skipped_blocks};"
        f"RHLISOSTATUS={int(found.supported)};FRAGMENT SUMS = {found.fragments};"
        f"FRAGMENT COUNT = {_FRAGMENTS};{_NOTE}"
    ).encode()


def sum_image(pieces: Iterable[bytes | memoryview], volume: Volume, found: MediaSum) -> MediaSum:
    """Return the checksum of an image of which ``found`` is the implanted one.

    Args:
        pieces: Its bytes, in order.
        volume: Its descriptors.
        found: Tells how much is covered.
    """
    start = volume.primary.block * BLOCK + APPLICATION_USE.start
    end = volume.primary.block * BLOCK + APPLICATION_USE.stop
    summing = Summing(volume.primary.placement.blocks * BLOCK, found.skipped_blocks)
    offset = 0
    for piece in pieces:
        if offset < end and offset + len(piece) > start:
            blanked = bytearray(piece)
            low, high = max(0, start - offset), min(len(piece), end - offset)
            blanked[low:high] = b" " * (high - low)
            summing.update(bytes(blanked))
        else:
            summing.update(piece)
        offset += len(piece)
    return summing.result(supported=found.supported)


def check_sum(disk: Disk, volume: Volume, found: MediaSum) -> None:
    """Read the whole volume and compare.

    Raises:
        FormatError: the image is not what was summed.
    """
    size = volume.primary.placement.blocks * BLOCK
    pieces = (disk.read(at, min(1 << 20, size - at)) for at in range(0, size, 1 << 20))
    actual = sum_image(pieces, volume, found)
    if actual.md5 != found.md5:
        raise FormatError(
            f"ISO 9660: the MD5 of the medium is {actual.md5}, its own record says {found.md5}",
            hint="the image was changed or damaged after its checksum was implanted",
        )
