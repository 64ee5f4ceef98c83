"""The boot sector of a FAT filesystem and the geometry that it gives.

Source: FAT32 File System Specification 1.03, "Boot Sector and BPB". Little endian.

    offset  size  field
    0x00    3     jump
    0x0b    2     bytes in a sector: 512, 1024, 2048 or 4096
    0x0d    1     sectors in a cluster, a power of two
    0x0e    2     reserved sectors: the first allocation table begins behind them
    0x10    1     copies of the allocation table
    0x11    2     entries of the root directory; 0 on FAT32
    0x13    2     sectors of the filesystem, 0 when they are counted at 0x20
    0x16    2     sectors of an allocation table; 0 on FAT32
    0x20    4     sectors of the filesystem
    0x24    4     FAT32: sectors of an allocation table
    0x28    2     FAT32: flags; bit 7: the copies are not kept equal
    0x2c    4     FAT32: first cluster of the root directory
    0x30    2     FAT32: sector of FSInfo
    0x26    1     FAT12/16: 0x28 or 0x29 when the serial number follows (FAT32: at 0x42)
    0x27    4     FAT12/16: serial number (FAT32: at 0x43)
    0x1fe   2     0x55 0xaa

Which of the three it is depends on the number of clusters. Like Linux, this takes a table size
of zero at 0x16 for FAT32, whatever the number: mkfs.fat(8) makes small ones on request.
"""

import struct

from builder.errors import FormatError
from builder.formats.disk import MIB, SECTOR, Disk
from builder.structs import Struct

_BPB = struct.Struct("<11xHBHBHHxH8xI")
_BPB32 = struct.Struct("<36xIHxxIH")
_SIGNATURE = b"\x55\xaa"
FAT12 = 12
FAT16 = 16
FAT32 = 32
FIRST_CLUSTER = 2
_MOST_COPIES = 4
_FAT12_CLUSTERS = 4084
_FAT16_CLUSTERS = 65524
_FAT32_CLUSTERS = 0x0FFFFFF5
_TABLE_LIMIT = 16 * MIB
"""A table is held in memory; this is one of a card of 128 GB."""
_ENTRY = 32
_NOT_MIRRORED = 0x80


class Geometry(Struct, frozen=True):
    """Where things lie; offsets and sizes in bytes, offsets from the start of the disk.

    Attributes:
        bits: 12, 16 or 32.
        table: First copy of the allocation table.
        table_size: Length of one copy.
        copies: How many copies follow one another.
        root: Root directory of FAT12 and FAT16.
        root_size: Its length; zero on FAT32.
        root_cluster: First cluster of FAT32's root directory; zero otherwise.
        clusters_start: Cluster 2.
        cluster_size: Length of a cluster.
        clusters: How many there are; numbers run from 2.
        fsinfo: FAT32's FSInfo sector, ``None`` when there is none.
        serial: Volume serial number; zero when there is none.
    """

    bits: int
    table: int
    table_size: int
    copies: int
    root: int
    root_size: int
    root_cluster: int
    clusters_start: int
    cluster_size: int
    clusters: int
    fsinfo: int | None
    serial: int

    def place(self, cluster: int) -> int:
        """Return where ``cluster`` begins."""
        return self.clusters_start + (cluster - FIRST_CLUSTER) * self.cluster_size


class _Fields(Struct, frozen=True):
    """Fields of the boot sector; everything in sectors unless said otherwise."""

    sector: int  # bytes
    cluster: int
    reserved: int
    copies: int
    root_entries: int
    total: int
    table: int
    root_cluster: int
    fsinfo: int
    flags: int
    is_fat32: bool

    @property
    def first_root(self) -> int:
        """Sector behind the allocation tables."""
        return self.reserved + self.copies * self.table

    @property
    def first_cluster(self) -> int:
        """Sector of cluster 2."""
        return self.first_root + -(-self.root_entries * _ENTRY // self.sector)


def is_fat(disk: Disk, offset: int) -> bool:
    """Return whether a FAT filesystem begins at ``offset``, by its boot sector alone."""
    if offset < 0 or offset + SECTOR > disk.size:
        return False
    return not _complaint(disk.read(offset, SECTOR))


def read_geometry(disk: Disk, offset: int, *, name: str) -> Geometry:
    """Read the boot sector at ``offset``.

    Raises:
        FormatError: it is not a FAT boot sector, or contradicts itself or the disk.
    """
    if offset < 0 or offset + SECTOR > disk.size:
        raise FormatError(f"{name}: the boot sector at byte {offset} is beyond the disk")
    boot = disk.read(offset, SECTOR)
    complaint = _complaint(boot)
    if complaint:
        raise FormatError(f"{name}: not a FAT filesystem: {complaint}")
    fields = _parse(boot)
    clusters = (fields.total - fields.first_cluster) // fields.cluster
    bits = FAT32 if fields.is_fat32 else FAT16 if clusters > _FAT12_CLUSTERS else FAT12
    _check(fields, clusters, bits, name=name)
    if offset + fields.total * fields.sector > disk.size:
        raise FormatError(
            f"{name}: the filesystem ends at byte {offset + fields.total * fields.sector} "
            f"of a disk of {disk.size}",
            hint="the image may be truncated: download it again",
        )
    has_fsinfo = fields.is_fat32 and 0 < fields.fsinfo < fields.reserved
    return Geometry(
        bits=bits,
        table=offset + fields.reserved * fields.sector,
        table_size=fields.table * fields.sector,
        copies=fields.copies,
        root=offset + fields.first_root * fields.sector,
        root_size=fields.root_entries * _ENTRY,
        root_cluster=fields.root_cluster,
        clusters_start=offset + fields.first_cluster * fields.sector,
        cluster_size=fields.cluster * fields.sector,
        clusters=clusters,
        fsinfo=offset + fields.fsinfo * fields.sector if has_fsinfo else None,
        serial=_serial(boot, is_fat32=fields.is_fat32),
    )


def _parse(boot: bytes) -> _Fields:
    sector, cluster, reserved, copies, entries, total16, table16, total32 = _BPB.unpack_from(boot)
    table32, flags, root, fsinfo = _BPB32.unpack_from(boot)
    is_fat32 = table16 == 0
    return _Fields(
        sector=sector,
        cluster=cluster,
        reserved=reserved,
        copies=copies,
        root_entries=entries,
        total=total16 or total32,
        table=table16 or table32,
        root_cluster=root if is_fat32 else 0,
        fsinfo=fsinfo if is_fat32 else 0,
        flags=flags if is_fat32 else 0,
        is_fat32=is_fat32,
    )


def _complaint(boot: bytes) -> str:
    """Return why a sector is not the start of a FAT filesystem; empty when it is."""
    fields = _parse(boot)
    wanted = (
        (boot[510:512] == _SIGNATURE, "no signature 55 AA at its end"),
        (fields.sector in {512, 1024, 2048, 4096}, f"{fields.sector} bytes in a sector"),
        (fields.cluster.bit_count() == 1, f"{fields.cluster} sectors in a cluster"),
        (fields.reserved > 0, "no reserved sectors"),
        (1 <= fields.copies <= _MOST_COPIES, f"{fields.copies} allocation tables"),
        (fields.table > 0, "an allocation table without sectors"),
        (fields.total > 0, "no sectors"),
        (fields.is_fat32 or fields.root_entries > 0, "a root directory without entries"),
    )
    return next((found for holds, found in wanted if not holds), "")


def _check(fields: _Fields, clusters: int, bits: int, *, name: str) -> None:
    """Refuse a geometry that contradicts itself."""
    limit = {FAT12: _FAT12_CLUSTERS, FAT16: _FAT16_CLUSTERS, FAT32: _FAT32_CLUSTERS}[bits]
    table_size = fields.table * fields.sector
    if not 0 < clusters <= limit:
        raise FormatError(f"{name}: {clusters} clusters; wanted 1 to {limit} on FAT{bits}")
    if table_size > _TABLE_LIMIT:
        raise FormatError(
            f"{name}: an allocation table of {table_size} bytes; at most {_TABLE_LIMIT} are read"
        )
    if (clusters + FIRST_CLUSTER) * bits > table_size * 8:
        raise FormatError(
            f"{name}: an allocation table of {table_size} bytes; too small for {clusters} clusters"
        )
    if bits == FAT32 and not FIRST_CLUSTER <= fields.root_cluster < clusters + FIRST_CLUSTER:
        raise FormatError(f"{name}: the root directory begins at cluster {fields.root_cluster}")
    if fields.flags & _NOT_MIRRORED:
        raise FormatError(f"{name}: the copies of the allocation table are not kept equal")


def _serial(boot: bytes, *, is_fat32: bool) -> int:
    """Return the volume serial number, zero when the boot sector has none."""
    mark = 0x42 if is_fat32 else 0x26
    if boot[mark] not in {0x28, 0x29}:
        return 0
    return int.from_bytes(boot[mark + 1 : mark + 5], "little")
