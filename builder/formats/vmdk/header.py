r"""The header of a VMDK sparse extent, which a footer repeats.

Source: Virtual Disk Format 5.0 (VMware technical note), "Hosted Sparse Extent Header".
Little endian; 512 bytes; offsets and counts in sectors of 512 bytes.

    offset  size  field
    0x00    4     magic, b"KDMV"
    0x04    4     version: 1, 2 (zeroed grains) or 3 (stream-optimized)
    0x08    4     flags: see the constants below
    0x0c    8     capacity
    0x14    8     grain size, a power of two
    0x1c    8     offset of the embedded descriptor, 0 for none
    0x24    8     size of the embedded descriptor
    0x2c    4     entries in a grain table, 512
    0x30    8     offset of the redundant grain directory
    0x38    8     offset of the grain directory; all ones: look in the footer
    0x40    8     overhead: sectors before the first grain
    0x48    1     unclean shutdown
    0x49    4     b"\n \r\n", which a transfer as text changes
    0x4d    2     compression: 0 none, 1 deflate
"""

import struct

from builder.errors import FormatError
from builder.formats import magic
from builder.formats.disk import KIB, MIB, SECTOR
from builder.structs import Struct

(MAGIC,) = magic.VMDK.magics
HEADER_SIZE = 512
NEWLINES = b"\n \r\n"
AT_END = 0xFFFF_FFFF_FFFF_FFFF
TABLE_ENTRIES = 512
DEFLATE = 1

HAS_NEWLINES = 1 << 0
HAS_REDUNDANT_TABLES = 1 << 1
HAS_COMPRESSED_GRAINS = 1 << 16
HAS_MARKERS = 1 << 17
STREAM_FLAGS = HAS_NEWLINES | HAS_COMPRESSED_GRAINS | HAS_MARKERS

MAXIMUM_CAPACITY = 62 << 40
"""Bytes; the largest virtual disk that vSphere has."""
MINIMUM_GRAIN_SIZE = 4 * KIB
MAXIMUM_GRAIN_SIZE = MIB

_LAYOUT = struct.Struct("<4sIIQQQQIQQQB4sH433x")
_VERSIONS = range(1, 4)


class SparseHeader(Struct, frozen=True):
    """The fields of a header; see the table above."""

    version: int
    flags: int
    capacity_sectors: int
    grain_sectors: int
    descriptor_start_sector: int
    descriptor_sectors: int
    table_entries: int
    redundant_directory_sector: int
    directory_sector: int
    overhead_sectors: int
    compression: int

    @property
    def grain_size(self) -> int:
        """Bytes of one grain."""
        return self.grain_sectors * SECTOR

    @property
    def grain_count(self) -> int:
        """Grains of the whole disk; the last may be a part of one."""
        return -(-self.capacity_sectors // self.grain_sectors)

    @property
    def table_count(self) -> int:
        """Grain tables of the whole disk."""
        return -(-self.grain_count // TABLE_ENTRIES)


def parse_header(raw: bytes, name: str) -> SparseHeader:
    """Read a header or footer of any sparse extent.

    Raises:
        FormatError: it is not a VMDK header, of an unknown version, or was transferred as text.
    """
    if len(raw) < HEADER_SIZE:
        raise FormatError(
            f"{name}: ends at byte {len(raw)}, inside the header", hint="the file may be truncated"
        )
    fields = _LAYOUT.unpack(raw)
    magic, newlines = fields[0], fields[12]
    header = SparseHeader(*fields[1:11], *fields[13:])
    if magic != MAGIC:
        raise FormatError(f"{name}: {_describe(raw)}; wanted a VMDK (magic {MAGIC!r})")
    if header.flags & HAS_NEWLINES and newlines != NEWLINES:
        raise FormatError(
            f"{name}: its newline bytes are {newlines!r}, wanted {NEWLINES!r}",
            hint="it was changed on the way: transfer it again, as binary and not as text",
        )
    if header.version not in _VERSIONS:
        raise FormatError(f"{name}: is version {header.version} of VMDK, wanted 1 to 3")
    return header


def check_stream_header(header: SparseHeader, name: str) -> None:
    """Refuse what is not a stream of deflated grains that this package can read.

    Raises:
        FormatError: a field describes another kind of extent.
    """
    for fits, found in (
        (header.flags & HAS_COMPRESSED_GRAINS, "its grains are not compressed"),
        (header.flags & HAS_MARKERS, "its grains have no markers"),
        (header.compression == DEFLATE, f"compression {header.compression}, wanted 1 (deflate)"),
        (_is_grain_size(header.grain_sectors), f"grains of {header.grain_sectors} sectors"),
        (
            header.table_entries == TABLE_ENTRIES,
            f"grain tables of {header.table_entries} entries, wanted {TABLE_ENTRIES}",
        ),
        (
            0 < header.capacity_sectors <= MAXIMUM_CAPACITY // SECTOR,
            f"a capacity of {header.capacity_sectors} sectors",
        ),
    ):
        if not fits:
            raise FormatError(f"{name}: {found}", hint="wanted a stream-optimized VMDK")


def pack_header(header: SparseHeader) -> bytes:
    """Return the 512 bytes of a header."""
    return _LAYOUT.pack(
        MAGIC,
        header.version,
        header.flags,
        header.capacity_sectors,
        header.grain_sectors,
        header.descriptor_start_sector,
        header.descriptor_sectors,
        header.table_entries,
        header.redundant_directory_sector,
        header.directory_sector,
        header.overhead_sectors,
        0,
        NEWLINES,
        header.compression,
    )


def _is_grain_size(sectors: int) -> bool:
    """Return whether grains of so many sectors are usual enough to be believed."""
    size = sectors * SECTOR
    return MINIMUM_GRAIN_SIZE <= size <= MAXIMUM_GRAIN_SIZE and not sectors & (sectors - 1)


def _describe(raw: bytes) -> str:
    """Return what a file is that has another magic number."""
    kind = magic.identify(raw)
    return f"is {kind.noun}" if kind else f"begins with {raw[:4]!r}"
