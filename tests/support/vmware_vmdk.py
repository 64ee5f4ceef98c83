"""A second writer of stream-optimized VMDK, laid out as VMware's own tools stream it.

Source: Virtual Disk Format 5.0 (VMware technical note), "Stream-Optimized Compressed Sparse
Extents": the header says that the directory is at the end, each grain table follows its grains,
and a footer repeats the header. Grains come first and the directory last, so that a writer never
seeks; a reader has to begin at the end.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from builder.formats.disk import SECTOR

_GRAIN: Final = 128 * SECTOR
_ENTRIES: Final = 512
_AT_END: Final = 0xFFFFFFFFFFFFFFFF
_HEADER: Final = struct.Struct("<4sIIQQQQIQQQB4sH433x")
_TABLE, _DIRECTORY, _FOOTER, _END = 1, 2, 3, 0


def write_vmware_vmdk(raw: Path, vmdk: Path, name: str, level: int = 6) -> None:
    """Write the disk ``raw`` as a VMDK that calls itself ``name``."""
    size = raw.stat().st_size
    descriptor = _descriptor(name, size // SECTOR)
    with raw.open("rb") as source, vmdk.open("wb") as sink:
        sink.write(_header(size, _AT_END))
        sink.write(descriptor.ljust(20 * SECTOR, b"\0"))
        sink.write(bytes(_GRAIN - sink.tell()))
        tables = -(-size // (_GRAIN * _ENTRIES))
        directory = [0] * tables
        table = [0] * _ENTRIES
        current = 0
        for number, grain in _grains(source, size):
            if number // _ENTRIES != current:
                directory[current] = _flush(sink, table)
                table, current = [0] * _ENTRIES, number // _ENTRIES
            table[number % _ENTRIES] = _write_grain(sink, number, grain, level)
        directory[current] = _flush(sink, table)
        body = struct.pack(f"<{tables}I", *directory)
        place = _metadata(sink, _DIRECTORY, body)
        _metadata(sink, _FOOTER, _header(size, place))
        sink.write(_marker(0, _END))


def _grains(source: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each grain that is not all zeros; holes are not read."""
    place = 0
    empty = bytes(_GRAIN)
    while place < size:
        try:
            place = os.lseek(source.fileno(), place, os.SEEK_DATA) // _GRAIN * _GRAIN
        except OSError:
            return
        stop = os.lseek(source.fileno(), place, os.SEEK_HOLE)
        while place < max(stop, place + 1) and place < size:
            grain = os.pread(source.fileno(), _GRAIN, place).ljust(_GRAIN, b"\0")
            if grain != empty:
                yield place // _GRAIN, grain
            place += _GRAIN
            if place >= stop:
                break


def _write_grain(sink: BinaryIO, number: int, grain: bytes, level: int) -> int:
    """Append a compressed grain and return its sector."""
    sector = sink.tell() // SECTOR
    packed = zlib.compress(grain, level)
    record = struct.pack("<QI", number * _GRAIN // SECTOR, len(packed)) + packed
    sink.write(record.ljust(-(-len(record) // SECTOR) * SECTOR, b"\0"))
    return sector


def _flush(sink: BinaryIO, table: list[int]) -> int:
    """Append a grain table; an empty one is left out and has sector zero."""
    if not any(table):
        return 0
    return _metadata(sink, _TABLE, struct.pack(f"<{_ENTRIES}I", *table))


def _metadata(sink: BinaryIO, kind: int, body: bytes) -> int:
    """Append a marker and what it announces; return the sector of the latter."""
    sectors = -(-len(body) // SECTOR)
    sink.write(_marker(sectors, kind))
    place = sink.tell() // SECTOR
    sink.write(body.ljust(sectors * SECTOR, b"\0"))
    return place


def _marker(sectors: int, kind: int) -> bytes:
    """Pack a metadata marker."""
    return struct.pack("<QII496x", sectors, 0, kind)


def _header(size: int, directory: int) -> bytes:
    """Pack the header, or with a known directory the footer."""
    return _HEADER.pack(
        b"KDMV", 3, 0x30001, size // SECTOR, _GRAIN // SECTOR, 1, 20, _ENTRIES, 0, directory,
        _GRAIN // SECTOR, 0, b"\n \r\n", 1,
    )  # fmt: skip


def _descriptor(name: str, sectors: int) -> bytes:
    """Return the text that names the one extent and the virtual hardware."""
    cylinders = sectors // (255 * 63)
    return (
        "# Disk DescriptorFile\nversion=1\nCID=7b1f03ac\nparentCID=ffffffff\n"
        f'createType="streamOptimized"\n\n# Extent description\n'
        f'RDONLY {sectors} SPARSE "{name}"\n\n'
        '# The Disk Data Base\n#DDB\n\nddb.adapterType = "lsilogic"\n'
        f'ddb.geometry.cylinders = "{cylinders}"\nddb.geometry.heads = "255"\n'
        'ddb.geometry.sectors = "63"\nddb.toolsInstallType = "4"\n'
        'ddb.toolsVersion = "2147483647"\nddb.virtualHWVersion = "4"\n'
    ).encode()
