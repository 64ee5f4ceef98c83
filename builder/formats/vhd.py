r"""The footer of a Virtual Hard Disk of fixed size: a raw disk with 512 bytes behind it.

Source: Virtual Hard Disk Image Format Specification, version 1.0 (Microsoft, 2006), "Hard Disk
Footer Format". Big endian; the checksum is the complement of the sum of all other bytes.

    offset  size  field                       offset  size  field
    0x00    8     b"conectix"                 0x28    8     original size of the disk
    0x08    4     features, 2: reserved bit   0x30    8     current size
    0x0c    4     format version, 0x10000     0x38    4     geometry: cylinders, heads, sectors
    0x10    8     data offset, ~0: fixed      0x3c    4     type, 2 fixed 3 dynamic 4 differencing
    0x18    4     seconds since 2000          0x40    4     checksum
    0x1c    4     creator, "win "             0x44    16    unique id
    0x20    4     its version                 0x54    1     saved state
    0x24    4     its system, "Wi2k"

Does not read dynamic and differencing disks; they are named and refused.
"""

import struct
import uuid

from builder.errors import FormatError
from builder.formats.disk import SECTOR
from builder.structs import Struct

FOOTER_SIZE = 512
COOKIE = b"conectix"
FIXED = 2
_KINDS = {3: "dynamic", 4: "differencing"}
_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_CHECKSUM = slice(0x40, 0x44)
_FEATURES, _VERSION, _NO_OFFSET = 2, 0x0001_0000, 0xFFFF_FFFF_FFFF_FFFF
_CREATOR, _CREATOR_VERSION, _SYSTEM = b"win ", 0x000A_0000, b"Wi2k"
"""Readers round the size of other creators to whole cylinders."""
_EPOCH = 946_684_800
_MOST_HEADS = 16
_MASK = 0xFFFF_FFFF
_MOST_SECTORS = 65_535 * 16 * 255
_HINT = "convert it: qemu-img convert -O vpc -o subformat=fixed,force_size"


class Footer(Struct, frozen=True):
    """What a footer says.

    Attributes:
        size: Capacity of the disk, in bytes.
        timestamp: Seconds since the epoch of 1970.
        uuid: Identifies the disk.
    """

    size: int
    timestamp: int
    uuid: uuid.UUID


def is_vhd(tail: bytes) -> bool:
    """Return whether the last 512 bytes of a file, or its first, are a footer."""
    return tail.startswith(COOKIE)


def parse_footer(raw: bytes, *, disk_size: int, name: str) -> Footer:
    """Return what the last 512 bytes of a file say.

    Args:
        raw: The bytes.
        disk_size: Bytes before them.
        name: For messages.

    Raises:
        FormatError: it is not a valid footer, or not one of a fixed disk.
    """
    if len(raw) != FOOTER_SIZE or not is_vhd(raw):
        raise FormatError(f"{name}: no VHD footer in its last {FOOTER_SIZE} bytes", hint=_HINT)
    fields = _FOOTER.unpack(raw)
    kind, found = fields[13], fields[14]
    wanted = _checksum(raw)
    if found != wanted:
        raise FormatError(
            f"{name}: VHD footer: checksum {found:#010x}, wanted {wanted:#010x}",
            hint="the file is damaged: download it again",
        )
    if kind != FIXED:
        what = _KINDS.get(kind, f"of type {kind}")
        raise FormatError(f"{name}: the VHD is {what}; wanted a fixed one", hint=_HINT)
    if fields[9] != disk_size:
        raise FormatError(
            f"{name}: VHD footer: a disk of {fields[9]} bytes, but {disk_size} are there",
            hint="the file may be truncated: download it again",
        )
    return Footer(disk_size, fields[4] + _EPOCH, uuid.UUID(bytes=fields[15]))


def format_footer(footer: Footer) -> bytes:
    """Return the 512 bytes that follow a disk."""
    raw = _FOOTER.pack(
        COOKIE,
        _FEATURES,
        _VERSION,
        _NO_OFFSET,
        max(0, footer.timestamp - _EPOCH) & _MASK,
        _CREATOR,
        _CREATOR_VERSION,
        _SYSTEM,
        footer.size,
        footer.size,
        *_geometry(footer.size // SECTOR),
        FIXED,
        0,
        footer.uuid.bytes,
        0,
    )
    return raw[: _CHECKSUM.start] + _checksum(raw).to_bytes(4, "big") + raw[_CHECKSUM.stop :]


def refuse_dynamic(head: bytes, *, name: str) -> None:
    """Refuse a file that begins with a copy of its footer, as disks do that are not fixed.

    Raises:
        FormatError: the file begins with a footer, so the disk is not fixed.
    """
    if is_vhd(head):
        kind = int.from_bytes(head[0x3C:0x40], "big")
        what = _KINDS.get(kind, "not fixed")
        raise FormatError(f"{name}: the VHD is {what}; wanted a fixed one", hint=_HINT)


def _checksum(raw: bytes) -> int:
    """Return the checksum that a footer should have."""
    return ~(sum(raw) - sum(raw[_CHECKSUM])) & _MASK


def _geometry(sectors: int) -> tuple[int, int, int]:
    """Return cylinders, heads and sectors by the appendix of the specification."""
    sectors = min(sectors, _MOST_SECTORS)
    if sectors >= 65_535 * 16 * 63:
        per_track, heads = 255, 16
    else:
        per_track = 17
        heads = max(4, -(-(sectors // per_track) // 1024))
        if sectors // per_track >= heads * 1024 or heads > _MOST_HEADS:
            per_track, heads = 31, 16
        if sectors // per_track >= heads * 1024:
            per_track, heads = 63, 16
    return sectors // per_track // heads, heads, per_track
