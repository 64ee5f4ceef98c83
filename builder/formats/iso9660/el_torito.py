"""El Torito: the catalog that tells firmware what to boot from an ISO 9660 image.

Sources: "El Torito" Bootable CD-ROM Format Specification 1.0; UEFI Specification 2.10, section
13.3.2.1; the boot information table is mkisofs's (man page, EL TORITO BOOT INFORMATION TABLE),
GRUB has one more number of its own (grub-core/boot/i386/pc/cdboot.S).

    offset  size  validation entry             offset  size  boot entry
    0x00    1     0x01                         0x00    1     0x88 bootable, 0x00 not
    0x01    1     platform: 0 x86, 0xef EFI    0x01    1     emulation: 0 none, 1-3 floppy, 4 disk
    0x1c    2     makes the 16-bit sum zero    0x02    2     load segment
    0x1e    2     55 aa                        0x06    2     sectors of 512 bytes to load
                                               0x08    4     block of the image
    section header: 0x90, or 0x91 for the last; platform; 2 bytes number of entries

    boot information table, at byte 8 of a boot image, little endian: block of the primary
    descriptor, block of the image, its bytes, sum of its 32-bit numbers from byte 64 on

Does not add entries; it keeps those that are there true when an image is replaced.
"""

import struct
from collections.abc import Iterator

from builder.errors import FormatError, GuestError
from builder.formats.disk import MIB, SECTOR, Disk
from builder.formats.iso9660.volume import BLOCK, FIRST_DESCRIPTOR, blocks_of
from builder.structs import Struct, replace

EFI = 0xEF
_ENTRY_SIZE = 32
_BOOTABLE = 0x88
_MOST_SECTORS = 0xFFFF
_HEADERS, _LAST_HEADER, _EXTENSION = (0x90, 0x91), 0x91, 0x44
_LARGEST_IMAGE = 64 * MIB
_TABLE = struct.Struct("<IIII")
_TABLE_AT, _SUMMED_FROM = 8, 64
_GRUB_AT, _GRUB_SKIPS = 2548, 5
_EMULATED_SECTORS = {1: 2400, 2: 2880, 3: 5760}


class BootEntry(Struct, frozen=True):
    """An entry of the catalog.

    Attributes:
        offset: Where it lies in the catalog.
        platform: 0 for x86 firmware, 0xef for EFI.
        bootable: Whether firmware should offer it.
        emulation: 0 for none.
        load_sectors: Sectors of 512 bytes that firmware loads.
        extent: Block of the image.
        has_table: Whether the image holds a boot information table that is true.
        has_grub_table: Whether it holds GRUB's number.
    """

    offset: int
    platform: int
    bootable: bool
    emulation: int
    load_sectors: int
    extent: int
    has_table: bool = False
    has_grub_table: bool = False

    @property
    def size(self) -> int:
        """Bytes that firmware may read; for x86 it is only the beginning."""
        return max(self.load_sectors, _EMULATED_SECTORS.get(self.emulation, 0)) * SECTOR


class BootCatalog(Struct, frozen=True):
    """The catalog.

    Attributes:
        extent: Its block.
        raw: Its bytes, whole blocks.
        entries: What can be booted, in order.
    """

    extent: int
    raw: bytes
    entries: tuple[BootEntry, ...]


def read_catalog(disk: Disk, extent: int) -> BootCatalog:
    """Read the catalog at a block.

    Raises:
        FormatError: it is damaged, or an image lies outside of the file.
    """
    where = f"El Torito: catalog at block {extent}"
    raw = disk.read(extent * BLOCK, BLOCK)
    if raw[0] != 1 or raw[30:32] != b"\x55\xaa":
        raise FormatError(f"{where}: does not begin with a validation entry")
    if sum(struct.unpack("<16H", raw[:_ENTRY_SIZE])) & 0xFFFF:
        raise FormatError(f"{where}: the checksum of its validation entry is wrong")
    entries = tuple(_iter_entries(raw, where))
    for entry in entries:
        if entry.extent * BLOCK >= disk.size:
            raise FormatError(f"{where}: an image at block {entry.extent} lies behind the file")
    return BootCatalog(extent, raw, tuple(_with_tables(disk, entry) for entry in entries))


def move_image(raw: bytearray, entry: BootEntry, extent: int, old_size: int, size: int) -> None:
    """Point an entry of a catalog at an image's new place.

    The number of sectors to load follows the size when it was the whole image before.
    """
    struct.pack_into("<I", raw, entry.offset + 8, extent)
    if entry.load_sectors in {-(-old_size // SECTOR), blocks_of(old_size) * BLOCK // SECTOR}:
        sectors = -(-size // SECTOR)
        if sectors > _MOST_SECTORS:
            raise GuestError(f"El Torito: a boot image of {size} bytes is larger than 32 MiB")
        struct.pack_into("<H", raw, entry.offset + 6, sectors)


def patch_image(image: bytes, entry: BootEntry, extent: int) -> bytes:
    """Return a boot image with the tables that ``entry`` had, made true for its new place."""
    out = bytearray(image)
    if entry.has_grub_table and len(out) >= _GRUB_AT + 8:
        struct.pack_into("<Q", out, _GRUB_AT, extent * 4 + _GRUB_SKIPS)
    if entry.has_table:
        if len(out) < _SUMMED_FROM:
            raise GuestError(
                f"El Torito: a boot image of {len(out)} bytes; wanted {_SUMMED_FROM} or more"
            )
        table = _TABLE.pack(FIRST_DESCRIPTOR, extent, len(out), _sum(out[_SUMMED_FROM:]))
        out[_TABLE_AT:_SUMMED_FROM] = table.ljust(_SUMMED_FROM - _TABLE_AT, b"\0")
    return bytes(out)


def check_tables(disk: Disk, catalog: BootCatalog) -> None:
    """Check the sums in boot information tables.

    Raises:
        FormatError: a boot image is not what its table says.
    """
    for entry in catalog.entries:
        if not entry.has_table:
            continue
        head = disk.read(entry.extent * BLOCK, _SUMMED_FROM)
        *_, size, wanted = _TABLE.unpack_from(head, _TABLE_AT)
        if not _SUMMED_FROM <= size <= _LARGEST_IMAGE:
            raise FormatError(f"El Torito: a boot image of {size} bytes")
        found = _sum(disk.read(entry.extent * BLOCK + _SUMMED_FROM, size - _SUMMED_FROM))
        if found != wanted:
            raise FormatError(
                f"El Torito: boot image at block {entry.extent}: its sum is {found:#x},"
                f" its table says {wanted:#x}"
            )


def _iter_entries(raw: bytes, where: str) -> Iterator[BootEntry]:
    """Yield the initial entry and those of all sections."""
    platform = raw[1]
    yield _entry(raw, _ENTRY_SIZE, platform)
    offset = 2 * _ENTRY_SIZE
    while offset < len(raw) and raw[offset] in _HEADERS:
        header, platform = raw[offset], raw[offset + 1]
        (count,) = struct.unpack_from("<H", raw, offset + 2)
        offset += _ENTRY_SIZE
        for _ in range(count):
            if offset + _ENTRY_SIZE > len(raw):
                raise FormatError(f"{where}: its sections do not fit a block")
            yield _entry(raw, offset, platform)
            offset += _ENTRY_SIZE
            while offset < len(raw) and raw[offset] == _EXTENSION:
                offset += _ENTRY_SIZE
        if header == _LAST_HEADER:
            return


def _entry(raw: bytes, offset: int, platform: int) -> BootEntry:
    flag, emulation, sectors, extent = struct.unpack_from("<BB4xHI", raw, offset)
    return BootEntry(offset, platform, flag == _BOOTABLE, emulation & 0x0F, sectors, extent)


def _with_tables(disk: Disk, entry: BootEntry) -> BootEntry:
    """Tell which tables an entry's image holds."""
    start = entry.extent * BLOCK
    head = disk.read(start, min(_SUMMED_FROM, disk.size - start)).ljust(_SUMMED_FROM, b"\0")
    descriptor, extent, *_ = _TABLE.unpack_from(head, _TABLE_AT)
    grub = b""
    if start + _GRUB_AT + 8 <= disk.size:
        grub = disk.read(start + _GRUB_AT, 8)
    return replace(
        entry,
        has_table=(descriptor, extent) == (FIRST_DESCRIPTOR, entry.extent),
        has_grub_table=grub == struct.pack("<Q", entry.extent * 4 + _GRUB_SKIPS),
    )


def _sum(data: bytes | bytearray) -> int:
    """Return the sum of little endian 32-bit numbers."""
    padded = bytes(data) + bytes(-len(data) % 4)
    total: int = sum(struct.unpack(f"<{len(padded) // 4}I", padded))
    return total & 0xFFFF_FFFF
