"""Volume descriptors of ISO 9660: what an image consists of and where its trees begin.

Source: ECMA-119, 3rd edition, sections 7 and 8; Joliet Recording Specification, 1995; El Torito
1.0, section 2. Blocks are 2048 bytes; most numbers are there twice, little and big endian.

    offset  size  field
    0x000   1     type: 0 boot record, 1 primary, 2 supplementary, 3 partition, 255 end
    0x001   5     b"CD001"
    0x028   32    volume identifier
    0x050   8     blocks of the volume
    0x058   32    supplementary: escape sequences, %/@ %/C or %/E for Joliet
    0x080   4     bytes in a block
    0x084   8     bytes of the path table
    0x08c   4     block of the little endian path table, little endian
    0x094   4     block of the big endian path table, big endian
    0x09c   34    directory record of the root
    0x33e   17    time of the last change
    0x373   512   application use

Does not read UDF (it only tells that it is there) and no blocks of another size.
"""

import struct
import time
from collections.abc import Iterator

from builder.errors import FormatError, UnsupportedError
from builder.formats.disk import Disk
from builder.structs import Struct, replace

BLOCK = 2048
FIRST_DESCRIPTOR = 16
APPLICATION_USE = slice(0x373, 0x373 + 512)
BLANK_USE = b" " * 512
_MAGIC = b"CD001"
_BOOT, _PRIMARY, _SUPPLEMENTARY, _END = 0, 1, 2, 255
_EL_TORITO = b"EL TORITO SPECIFICATION"
_JOLIET = (b"%/@", b"%/C", b"%/E")
_UDF = (b"NSR02", b"NSR03")
_UDF_RECOGNITION = (b"BEA01", b"TEA01", b"BOOT2", *_UDF)
_MOST_DESCRIPTORS = 64
_ID = slice(0x28, 0x48)
_SESSION_STARTS = (32, 48)
"""Where a second set of descriptors lies: a partition offset of 16, or xorriso's first session."""


class Placement(Struct, frozen=True):
    """Where the parts of a tree lie.

    Attributes:
        blocks: Blocks of the whole volume.
        table_size: Bytes of each path table.
        little_table: Block of the little endian path table.
        big_table: Block of the big endian one.
        root: Block of the root directory.
        root_size: Its bytes.
    """

    blocks: int
    table_size: int
    little_table: int
    big_table: int
    root: int
    root_size: int


class Descriptor(Struct, frozen=True):
    """A primary or supplementary volume descriptor.

    Attributes:
        block: Where it lies.
        raw: Its 2048 bytes.
        placement: What it says.
    """

    block: int
    raw: bytes
    placement: Placement

    @property
    def is_joliet(self) -> bool:
        """Return whether its names are Joliet's."""
        return self.raw[0] == _SUPPLEMENTARY and self.raw[88:91] in _JOLIET

    @property
    def volume_id(self) -> str:
        """Name of the volume."""
        raw = self.raw[_ID]
        text = raw.decode("utf-16-be", "replace") if self.is_joliet else raw.decode("latin-1")
        return text.rstrip(" \0")


class Volume(Struct, frozen=True):
    """All descriptors of an image.

    Attributes:
        primary: The one that every reader knows.
        joliet: The one for Windows, if any.
        enhanced: A supplementary one that is not Joliet's (ISO 9660:1999), if any.
        catalog: Block of the El Torito boot catalog, if any.
        has_udf: Whether the image is a UDF volume too.
        copies: Blocks behind the descriptors at which they are once more, if anywhere:
            xorriso begins a first session at block 32 and copies its descriptors to block 16.
        sessions: Whether other descriptors lie where another session would have them.
    """

    primary: Descriptor
    joliet: Descriptor | None
    enhanced: Descriptor | None
    catalog: int | None
    has_udf: bool
    copies: int | None
    sessions: bool


def pack_both16(number: int) -> bytes:
    """Return a 16-bit number in both byte orders."""
    return struct.pack("<H", number) + struct.pack(">H", number)


def pack_both32(number: int) -> bytes:
    """Return a 32-bit number in both byte orders."""
    return struct.pack("<I", number) + struct.pack(">I", number)


def unpack_both32(data: bytes | bytearray, offset: int, what: str) -> int:
    """Return a number that is there in both byte orders; ``FormatError`` when they differ."""
    (little,) = struct.unpack_from("<I", data, offset)
    (big,) = struct.unpack_from(">I", data, offset + 4)
    if little != big:
        raise FormatError(f"{what}: {little} in one byte order and {big} in the other")
    return int(little)


def blocks_of(size: int) -> int:
    """Return how many blocks ``size`` bytes fill."""
    return -(-size // BLOCK)


def read_volume(disk: Disk) -> Volume:
    """Read the descriptors.

    Raises:
        FormatError: it is not an ISO 9660 image, or is damaged or truncated.
        UnsupportedError: its blocks are not 2048 bytes.
    """
    primary: Descriptor | None = None
    joliet: Descriptor | None = None
    enhanced: Descriptor | None = None
    catalog: int | None = None
    last = FIRST_DESCRIPTOR
    for last, raw in _iter_descriptors(disk):
        if raw[0] == _BOOT and raw[7:].startswith(_EL_TORITO) and catalog is None:
            (catalog,) = struct.unpack_from("<I", raw, 0x47)
        elif raw[0] == _PRIMARY and primary is None:
            primary = _parse(last, raw)
        elif raw[0] == _SUPPLEMENTARY:
            found = _parse(last, raw)
            joliet, enhanced = (found, enhanced) if found.is_joliet else (joliet, found)
    if primary is None:
        raise FormatError("ISO 9660: there is no primary volume descriptor")
    _check_size(disk, primary)
    others = [block for block in _SESSION_STARTS if block > last and _has_descriptor(disk, block)]
    copies = others[0] - primary.block if len(others) == 1 else None
    if copies is not None and not _is_copy(disk, primary, others[0]):
        copies = None
    has_udf = _has_udf(disk, last + 1)
    sessions = bool(others) and copies is None
    return Volume(primary, joliet, enhanced, catalog, has_udf, copies, sessions)


def edit_descriptor(raw: bytes, placement: Placement, *, timestamp: int) -> bytearray:
    """Return a descriptor with another placement and time of change."""
    out = bytearray(raw)
    out[0x50:0x58] = pack_both32(placement.blocks)
    out[0x84:0x8C] = pack_both32(placement.table_size)
    # The optional copies of the path tables are given up: nothing reads them.
    struct.pack_into("<II", out, 0x8C, placement.little_table, 0)
    struct.pack_into(">II", out, 0x94, placement.big_table, 0)
    out[0x9C + 2 : 0x9C + 10] = pack_both32(placement.root)
    out[0x9C + 10 : 0x9C + 18] = pack_both32(placement.root_size)
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(timestamp)).encode()
    out[0x33E : 0x33E + 17] = stamp + b"\0"
    return out


def set_volume_id(raw: bytearray, volume_id: str, *, joliet: bool) -> None:
    """Put a name into a descriptor; Joliet has room for its first 16 characters."""
    if joliet:
        raw[_ID] = volume_id[:16].ljust(16).encode("utf-16-be")
    else:
        raw[_ID] = volume_id.encode("ascii").ljust(32)


def _iter_descriptors(disk: Disk) -> Iterator[tuple[int, bytes]]:
    """Yield the block and the bytes of each descriptor, without the end's."""
    for block in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + _MOST_DESCRIPTORS):
        raw = _read_descriptor(disk, block)
        if raw[0] == _END:
            return
        yield block, raw
    raise FormatError(f"ISO 9660: more than {_MOST_DESCRIPTORS} volume descriptors without an end")


def _read_descriptor(disk: Disk, block: int) -> bytes:
    """Return the descriptor at ``block``."""
    first = block == FIRST_DESCRIPTOR
    if disk.size < (block + 1) * BLOCK:
        what = "this is not an ISO image, or a truncated one" if first else "it is cut short"
        raise FormatError(
            f"ISO 9660: {what}: {disk.size} bytes, wanted a volume descriptor at block {block}"
        )
    raw = disk.read(block * BLOCK, BLOCK)
    if raw[1:6] == _MAGIC:
        return raw
    if first and raw[1:6] in _UDF_RECOGNITION:
        raise FormatError(
            "ISO 9660: this is a UDF volume without an ISO 9660 one",
            hint="check that this is the right file: Photon's installer images are ISO 9660",
        )
    if first:
        raise FormatError("ISO 9660: no volume descriptor at block 16; this is not an ISO image")
    raise FormatError(f"ISO 9660: block {block}: wanted a volume descriptor or the end of them")


def _parse(block: int, raw: bytes) -> Descriptor:
    """Check a primary or supplementary descriptor."""
    where = f"ISO 9660: volume descriptor at block {block}"
    (size,) = struct.unpack_from("<H", raw, 0x80)
    if size != BLOCK:
        raise UnsupportedError(f"{where}: blocks of {size} bytes; only {BLOCK} is known")
    (little,) = struct.unpack_from("<I", raw, 0x8C)
    (big,) = struct.unpack_from(">I", raw, 0x94)
    placement = Placement(
        unpack_both32(raw, 0x50, f"{where}: size"),
        unpack_both32(raw, 0x84, f"{where}: path table size"),
        little,
        big,
        unpack_both32(raw, 0x9C + 2, f"{where}: root directory"),
        unpack_both32(raw, 0x9C + 10, f"{where}: size of the root directory"),
    )
    return Descriptor(block, raw, placement)


def _check_size(disk: Disk, primary: Descriptor) -> None:
    """Refuse a file that ends before its volume does."""
    wanted = primary.placement.blocks * BLOCK
    if disk.size < wanted:
        raise FormatError(
            f"ISO 9660: the file is {disk.size} bytes long, its volume {wanted}",
            hint="the download may be truncated: delete it from the cache and run again",
        )


def _has_descriptor(disk: Disk, block: int) -> bool:
    """Return whether a primary descriptor lies at ``block``."""
    if disk.size < (block + 1) * BLOCK:
        return False
    return disk.read(block * BLOCK, 7) == b"\x01CD001\x01"


def _is_copy(disk: Disk, primary: Descriptor, block: int) -> bool:
    """Return whether ``block`` holds a copy of the primary descriptor for a shorter volume."""
    there = _parse(block, disk.read(block * BLOCK, BLOCK)).placement
    here = primary.placement
    return there == replace(here, blocks=here.blocks - (block - primary.block))


def _has_udf(disk: Disk, block: int) -> bool:
    """Return whether UDF's recognition sequence follows the descriptors."""
    for at in range(block + 1, block + 8):
        if disk.size < (at + 1) * BLOCK:
            return False
        magic = disk.read(at * BLOCK + 1, 5)
        if magic in _UDF:
            return True
        if magic not in _UDF_RECOGNITION:
            return False
    return False
