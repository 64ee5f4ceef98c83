"""Stream-optimized VMDKs in the layout of VMware's own tools, written by this file alone.

A grain table stands behind the grains it lists, the directory and a footer at the end. Nothing
of the product is used, so that its reader meets bytes that its writer did not make.
"""

import zlib
from dataclasses import dataclass, field
from itertools import groupby

SECTOR = 512
GRAIN_SECTORS = 128


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


def _padded(raw: bytes) -> bytes:
    return raw + b"\0" * (-len(raw) % SECTOR)


def descriptor_text(capacity_sectors: int, *, kind: str = "streamOptimized") -> bytes:
    return (
        "# Disk DescriptorFile\nversion=1\nCID=7c9e1a02\nparentCID=ffffffff\n"
        f'createType="{kind}"\n\n# Extent description\n'
        f'RDONLY {capacity_sectors} SPARSE "generated-stream.vmdk"\n\n'
        '# The Disk Data Base\n#DDB\n\nddb.adapterType = "lsilogic"\n'
    ).encode()


@dataclass
class VmwareStream:
    """One disk; ``places`` holds where each structure begins, in bytes, once it is made."""

    capacity_sectors: int
    grains: dict[int, bytes]
    text: bytes = b""
    places: dict[str, int] = field(default_factory=dict)

    def header(self, directory_sector: int) -> bytes:
        return _padded(
            b"KDMV"
            + _number(3, 4)
            + _number(0x30001, 4)
            + _number(self.capacity_sectors, 8)
            + _number(GRAIN_SECTORS, 8)
            + _number(1, 8)
            + _number(20, 8)
            + _number(512, 4)
            + _number(0, 8)
            + _number(directory_sector, 8)
            + _number(128, 8)
            + b"\0\n \r\n"
            + _number(1, 2)
        )

    def make(self) -> bytes:
        out = bytearray(self.header((1 << 64) - 1))
        out += (self.text or descriptor_text(self.capacity_sectors)).ljust(20 * SECTOR, b"\0")
        out += b"\0" * (128 * SECTOR - len(out))
        grain_count = -(-self.capacity_sectors // GRAIN_SECTORS)
        directory = [0] * -(-grain_count // 512)
        for table, numbers in groupby(sorted(self.grains), lambda number: number // 512):
            entries = [0] * 512
            for number in numbers:
                self.places[f"grain {number}"] = len(out)
                entries[number % 512] = len(out) // SECTOR
                out += self.record(number)
            directory[table] = self.metadata(out, 1, entries)
        directory_sector = self.metadata(out, 2, directory)
        self.places["footer"] = len(out)
        out += _padded(_number(1, 8) + _number(0, 4) + _number(3, 4))
        out += self.header(directory_sector)
        self.places["end"] = len(out)
        return bytes(out + b"\0" * SECTOR)

    def record(self, number: int) -> bytes:
        deflated = zlib.compress(self.grains[number], 1)
        first_sector = _number(number * GRAIN_SECTORS, 8)
        return _padded(first_sector + _number(len(deflated), 4) + deflated)

    def metadata(self, out: bytearray, kind: int, entries: list[int]) -> int:
        raw = _padded(b"".join(_number(entry, 4) for entry in entries))
        self.places[f"metadata {len(out)}"] = len(out)
        out += _padded(_number(len(raw) // SECTOR, 8) + _number(0, 4) + _number(kind, 4))
        out += raw
        return (len(out) - len(raw)) // SECTOR


def of_raw(raw: bytes) -> VmwareStream:
    """Return the stream of a disk's bytes; grains of zeros are left out."""
    size = GRAIN_SECTORS * SECTOR
    pieces = {at // size: raw[at : at + size] for at in range(0, len(raw), size)}
    grains = {number: piece.ljust(size, b"\0") for number, piece in pieces.items() if any(piece)}
    return VmwareStream(len(raw) // SECTOR, grains)
