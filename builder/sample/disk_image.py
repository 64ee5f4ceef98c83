"""The sample base as a disk image, for clouds and for boards."""

import os
from pathlib import Path
from tempfile import gettempdir

from builder.facts import Facts
from builder.formats.compression import Compression, iter_packed
from builder.formats.disk import MIB, SECTOR, Partition
from builder.formats.disk_tar import format_header, format_trailer
from builder.formats.mbr import write_mbr
from builder.formats.partitions import read_partitions
from builder.formats.sparse import SparseDisk, Window, open_scratch, write_sparse
from builder.formats.stream import write_segments
from builder.formats.vhd import Footer, format_footer
from builder.formats.vmdk import GrainOverlay, StreamOptimized
from builder.reproducible import derived_uuid
from builder.sample import DISK, plant
from builder.sample.boot import is_board
from builder.sample.nodes import SIGNATURE

_GPT_SECTORS = 34
_MBR_TYPES = {2: "0c", 3: "83"}
"""Number of a partition in the GPT to its type in the MBR."""


def make_disk_image(
    fd: int, timestamp: int, facts: Facts, member: str, *, compression: str = "gz"
) -> None:
    """Write the sample base as a packed disk; the same arguments give the same bytes.

    Args:
        fd: An empty file, open for reading and writing.
        timestamp: Time of everything in it, seconds since the epoch.
        facts: The image whose shape it has; that of a board is a card, with an MBR.
        member: Name of the disk in its tar, ``.vhd`` for a VHD; empty for no tar.
        compression: Around everything.
    """
    with open_scratch(Path(gettempdir())) as scratch:
        disk = _make_disk(scratch, timestamp, facts)
        if is_board(facts):
            _make_mbr(disk)
        parts: list[bytes | Window] = [Window(scratch, 0, disk.size)]
        size = disk.size
        if member.endswith(".vhd"):
            footer = format_footer(Footer(size, timestamp, derived_uuid("sample vhd")))
            parts.append(footer)
            size += len(footer)
        if member:
            header = format_header(member, size, timestamp)
            parts = [header, *parts, format_trailer(size, header)]
        write_segments(fd, iter_packed(parts, Compression(compression)))


def _make_disk(scratch: int, timestamp: int, facts: Facts) -> SparseDisk:
    """Unpack the empty disk and make the tree on it."""
    source = os.open(DISK, os.O_RDONLY)
    try:
        vmdk = StreamOptimized(source, 0, os.fstat(source).st_size, name=DISK.name)
        overlay = GrainOverlay(vmdk)
        plant(overlay, timestamp, facts)
        for offset in range(0, overlay.size, MIB):
            write_sparse(scratch, overlay.read(offset, min(MIB, overlay.size - offset)), offset)
        disk = SparseDisk(scratch, 0, name=DISK.name)
        disk.grow(overlay.size)
        return disk
    finally:
        os.close(source)


def _make_mbr(disk: SparseDisk) -> None:
    """Replace the GPT by an MBR."""
    old = {each.number: each for each in read_partitions(disk)}
    partitions = []
    for number, (source, kind) in enumerate(_MBR_TYPES.items(), 1):
        each = old[source]
        uuid = f"{SIGNATURE:08x}-{number:02x}"
        partitions.append(Partition(number, each.offset, each.size, kind, uuid))
    disk.write(SECTOR, bytes((_GPT_SECTORS - 1) * SECTOR))
    disk.write(disk.size - (_GPT_SECTORS - 1) * SECTOR, bytes((_GPT_SECTORS - 1) * SECTOR))
    write_mbr(disk, partitions, SIGNATURE)
