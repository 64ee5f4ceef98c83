"""Labels of ZFS pool members: detection, and the name of the pool.

Source: ZFS On-Disk Specification (2006), chapter 1; OpenZFS ``include/sys/vdev_impl.h`` for the
label and ``module/nvpair/nvpair.c`` for the XDR form of its list of names and values.

    A label has 256 KiB. Two lie at the beginning of a member, two at the end of its whole labels.
    offset  size  field
    0x4000  4     1 (XDR), byte order of the host, 0, 0
    0x4004  4     version, 0
    0x4008  4     flags, 1 (names are unique)
    0x400c        pairs: bytes of the pair, bytes in memory, name, type (9: text), count, value;
                  numbers big endian, texts with their length before and padded to 4 bytes
"""

import struct
from collections.abc import Iterator

from builder.errors import FormatError
from builder.formats.disk import KIB, Disk

_LABEL = 256 * KIB
_LIST = 16 * KIB
_LIST_SIZE = 4 * KIB
"""Bytes that are looked at: the name of the pool is among the first."""
_HEADERS = (b"\1\0\0\0\0\0\0\0\0\0\0\1", b"\1\1\0\0\0\0\0\0\0\0\0\1")
_TEXT = 9


def iter_labels(disk: Disk, offset: int, size: int) -> Iterator[tuple[int, str]]:
    """Yield place and name of the pool, empty when it tells none, for each label of a member."""
    end = size - size % _LABEL
    for place in (0, _LABEL, end - 2 * _LABEL, end - _LABEL):
        try:
            data = disk.read(offset + place + _LIST, _LIST_SIZE) if place >= 0 else b""
        except FormatError:
            continue
        if data.startswith(_HEADERS):
            yield offset + place, _pool(data[len(_HEADERS[0]) :])


def _pool(pairs: bytes) -> str:
    """Return the value of the pair ``name``, empty when it is not among these."""
    at = 0
    try:
        while True:
            length, _, name_length = struct.unpack_from(">III", pairs, at)
            name = pairs[at + 12 : at + 12 + name_length]
            value = at + 12 + -(-name_length // 4) * 4
            kind, _, text_length = struct.unpack_from(">III", pairs, value)
            if name == b"name" and kind == _TEXT:
                return pairs[value + 12 : value + 12 + text_length].decode("utf-8", "replace")
            if length <= 0:
                return ""
            at += length
    except struct.error:
        return ""
