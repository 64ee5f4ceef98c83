"""Partition tables of a disk that became longer: the copy at its end, and the last partition.

Sources: UEFI Specification 2.10, section 5.3 (GPT: the copy lies in the last sectors) and 5.2
(MBR). Does not move partitions, and does not grow logical ones.
"""

from builder.errors import FormatError
from builder.formats.disk import MIB, SECTOR, Disk, Partition
from builder.formats.gpt import Gpt, claimed_size, is_gpt, read_gpt_table, write_gpt
from builder.formats.mbr import read_mbr
from builder.formats.partitions import read_partitions
from builder.structs import replace

_BACKUP_SECTORS = 33
_ENTRIES, _ENTRY_SIZE, _COUNT = 0x1BE, 16, 12
_PRIMARY = 4
_MOST_SECTORS = 0xFFFF_FFFF


def move_backup(disk: Disk) -> None:
    """Put the copy of a GPT at the end of its disk; an MBR has none.

    Raises:
        FormatError: the table is damaged.
    """
    if not is_gpt(disk):
        return
    table = read_gpt_table(disk)
    old = claimed_size(disk.read(0, 2 * SECTOR)) // SECTOR - 1
    if old == disk.size // SECTOR - 1:
        return
    _clear_backup(disk, old, table)
    write_gpt(disk, table.partitions, table.disk_guid, attributes=table.attributes)


def grow_last_partition(disk: Disk, limit: int) -> Partition:
    """Let the last partition reach the end of the disk, or ``limit``, and return it.

    It ends at a whole MiB behind its start, and is never made smaller.

    Raises:
        FormatError: the table is damaged, or the partition cannot grow.
    """
    partitions = read_partitions(disk)
    if not partitions:
        raise FormatError("the disk has no partitions")
    last = max(partitions, key=lambda one: one.offset)
    table = read_gpt_table(disk) if is_gpt(disk) else None
    end = min(table.end_usable if table else _MOST_SECTORS * SECTOR, disk.size, limit)
    grown = replace(last, size=max(last.size, (end - last.offset) // MIB * MIB))
    if table:
        others = [one for one in partitions if one.number != last.number]
        write_gpt(disk, [*others, grown], table.disk_guid, attributes=table.attributes)
    else:
        _write_count(disk, grown)
    return grown


def _clear_backup(disk: Disk, sector: int, table: Gpt) -> None:
    """Remove an old copy, which would lie in the midst of the grown partition."""
    end = max((one.offset + one.size for one in table.partitions), default=table.first_usable)
    start = max(end, (sector - _BACKUP_SECTORS + 1) * SECTOR)
    stop = min((sector + 1) * SECTOR, disk.size)
    if start < stop:
        disk.write(start, bytes(stop - start))


def _write_count(disk: Disk, partition: Partition) -> None:
    """Write the number of sectors of a primary partition; everything else of it stays."""
    if partition.number > _PRIMARY:
        raise FormatError(f"MBR: partition {partition.number} is a logical one and cannot grow")
    sector = bytearray(disk.read(0, SECTOR))
    place = _ENTRIES + (partition.number - 1) * _ENTRY_SIZE + _COUNT
    sector[place : place + 4] = (partition.size // SECTOR).to_bytes(4, "little")
    disk.write(0, sector)
    read_mbr(disk)
