"""A note in an image that was changed here before: where its additions begin.

It lies in the last 64 bytes of the primary descriptor's application use area, which no standard
gives a meaning (ECMA-119, 8.4.32); isomd5sum's record leaves them free. Text: a name, then
eight hex digits each for the first block that was added, the blocks of the volume, and the
blocks of the path table and the root directory, which show whether another program has
rearranged the image since.

Does not say what the additions are: whoever reuses them looks at the whole tree.
"""

import re

from builder.formats.iso9660.volume import APPLICATION_USE, Placement
from builder.structs import Struct

_NAME = b"PHOTON-BUILDER"
_SIZE = 64
_PLACE = slice(APPLICATION_USE.stop - _SIZE, APPLICATION_USE.stop)
_PATTERN = re.compile(re.escape(_NAME) + rb" ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{16})[ \0]*")


class Marker(Struct, frozen=True):
    """The note.

    Attributes:
        first: First block that was added.
        blocks: Blocks of the volume then.
    """

    first: int
    blocks: int


def read_marker(raw: bytes, placement: Placement) -> Marker | None:
    """Return the note in a primary descriptor, if it is there and still true."""
    found = _PATTERN.fullmatch(raw[_PLACE])
    if found is None or found[3] != _trace(placement):
        return None
    first, blocks = int(found[1], 16), int(found[2], 16)
    return Marker(first, blocks) if first < blocks == placement.blocks else None


def write_marker(raw: bytearray, placement: Placement, first: int) -> bool:
    """Put the note into a primary descriptor, if its place is free or holds an older one."""
    old = bytes(raw[_PLACE])
    if not old.startswith(_NAME) and old.strip(b" \0"):
        return False
    text = b"%s %08x %08x %s" % (_NAME, first, placement.blocks, _trace(placement))
    raw[_PLACE] = text.ljust(_SIZE)
    return True


def _trace(placement: Placement) -> bytes:
    """Return what shows that nothing was rearranged."""
    return b"%08x%08x" % (placement.little_table, placement.root)
