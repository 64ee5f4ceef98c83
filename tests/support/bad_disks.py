"""Disks that nobody can use: damaged, endless, packed wrongly, or not disks at all."""

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from builder.formats.disk import MIB, SECTOR
from tests.support.judges import judge

_SIZE: Final = 64 * MIB
_ENTRY: Final = struct.Struct("<B3sB3sII")
_TABLE: Final = 0x1BE
_LINUX, _EXTENDED = 0x83, 0x05
_Edit = Callable[[bytearray, bytearray], None]


def _gpt(path: Path) -> None:
    """Let sgdisk make a disk with two partitions."""
    with path.open("wb") as stream:
        stream.truncate(_SIZE)
    judge("sgdisk", "--new=1:2048:+8M", "--new=2:0:0", path)


def _edited_gpt(path: Path, edit: _Edit) -> None:
    """Change header and entries of the first table, and make its checksums right again."""
    _gpt(path)
    with path.open("r+b") as stream:
        stream.seek(SECTOR)
        header, entries = bytearray(stream.read(SECTOR)), bytearray(stream.read(128 * 128))
        edit(header, entries)
        count, size = struct.unpack_from("<II", header, 80)
        struct.pack_into("<I", header, 88, zlib.crc32(entries[: count * size]))
        struct.pack_into("<I", header, 16, 0)
        struct.pack_into("<I", header, 16, zlib.crc32(header[:92]))
        stream.seek(SECTOR)
        stream.write(header + entries)


def _second(first: int, last: int) -> _Edit:
    """Return an edit of where the second partition lies."""
    return lambda _, entries: struct.pack_into("<QQ", entries, 128 + 32, first, last)


def _geometry(count: int, size: int) -> _Edit:
    """Return an edit of how many entries there are said to be, and how long each is."""
    return lambda header, _: struct.pack_into("<II", header, 80, count, size)


def _mbr(path: Path, tables: dict[int, list[tuple[int, int, int]]], size: int = _SIZE) -> None:
    """Write tables of type, first sector and count of sectors into the sectors that have them."""
    with path.open("wb") as stream:
        stream.truncate(size)
        for sector, entries in tables.items():
            for number, (kind, first, count) in enumerate(entries):
                stream.seek(sector * SECTOR + _TABLE + number * _ENTRY.size)
                stream.write(_ENTRY.pack(0, b"\0\0\0", kind, b"\0\0\0", first, count))
            stream.seek(sector * SECTOR + SECTOR - 2)
            stream.write(b"\x55\xaa")


def _logical(path: Path, *following: int) -> None:
    """Write a chain of logical partitions, each table naming the sector of the next."""
    start, length = 8192, 2048
    tables = {0: [(_LINUX, 2048, 2048), (_EXTENDED, start, 60000)]}
    place = 0
    for then in following:
        tables[start + place] = [(_LINUX, length, length), (_EXTENDED, then, 4096)]
        place = then
    _mbr(path, tables)


def _large_sectors(path: Path) -> None:
    """Write the first table of a disk whose sectors have 4096 bytes."""
    _mbr(path, {0: [(0xEE, 1, _SIZE // 4096 - 1)]})
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"EFI PART" + struct.pack("<II", 0x10000, 92))


def _large_sectors_in_mbr(path: Path) -> None:
    """Write an MBR that counts sectors of 4096 bytes, and a filesystem where it leads."""
    _mbr(path, {0: [(_LINUX, 256, 8192)]})
    judge("mkfs.ext4", "-q", "-E", f"offset={MIB}", path, "32M")


def _bomb(path: Path, filler: bytes, mebibytes: int) -> None:
    """Pack a small disk, and very much behind its end."""
    small = path.with_name("small")
    _mbr(small, {0: [(_LINUX, 2048, 2048)]}, 4 * MIB)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(small.read_bytes())
        piece = filler * MIB
        for _ in range(mebibytes):
            stream.write(piece)


def _endless(path: Path, tool: str, *, has_mbr: bool = False) -> None:
    """Pack the beginning of a disk that is larger than any, and a GiB of its zeros."""
    huge = path.with_name("huge")
    if has_mbr:
        _mbr(huge, {0: [(_LINUX, 0xFFFF_FFFE, 0xFFFF_FFFF)]})
    else:
        judge("truncate", "-s", "15T", huge)
        judge("sgdisk", "--new=1:2048:0", huge)
    judge("sh", "-c", f"(head -c 2M '{huge}'; head -c 1G /dev/zero) | {tool} > '{path}'")
    huge.unlink()


def _packed(path: Path, tool: str) -> bytes:
    """Return a valid disk, packed by a tool."""
    raw = path.with_name("sound.raw")
    _gpt(raw)
    judge("sh", "-c", f"{tool} '{raw}' > '{path}'")
    return path.read_bytes()


def _cut(path: Path, tool: str) -> None:
    """Keep half of a packed disk."""
    whole = _packed(path, tool)
    path.write_bytes(whole[: len(whole) // 2])


def _converted(path: Path, form: str) -> None:
    """Let qemu-img make a disk of another form."""
    judge("qemu-img", "create", "-q", "-f", form, path, "64M")


def _vhd(path: Path, *, is_whole: bool) -> None:
    """Make a fixed VHD whose footer is wrong, or which lacks its end."""
    raw = path.with_name("sound.raw")
    _gpt(raw)
    options = "subformat=fixed,force_size"
    judge("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, raw, path)
    data = bytearray(path.read_bytes())
    if is_whole:
        data[-100] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(data[: 10 * MIB] + data[-SECTOR:])


def _in_tar(path: Path, make: Callable[[Path], None], name: str = "disk.raw") -> None:
    """Put what ``make`` makes into a tar.gz."""
    make(path.with_name(name))
    judge("tar", "-czf", path, "-C", path.parent, name)


def _text(path: Path) -> None:
    """Write something short."""
    path.write_text("hello\n")


def _twice(path: Path) -> None:
    """Pack a disk two times."""
    _packed(path, "gzip -c")
    judge("sh", "-c", f"xz -0c '{path}' > '{path}.xz' && mv '{path}.xz' '{path}'")


BAD_DISKS: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "text": (_text, "bad is not a disk: its first sector does not end with 55 aa"),
    "nothing": (lambda path: path.write_bytes(b""), "bad is empty"),
    "a tar of text": (lambda p: _in_tar(p, _text, "readme"), "bad: readme is not a disk"),
    "a tar of a folder": (
        lambda p: judge("tar", "-czf", p, "--no-recursion", "-C", "/", "usr"),
        "bad: the archive contains no file; expected a disk image",
    ),
    "packed twice": (_twice, "bad is gzip data; wanted a raw disk\n  hint: it is packed twice"),
    "a cut gz": (lambda p: _cut(p, "gzip -c"), "bad: the compressed data is truncated"),
    "a cut xz": (lambda p: _cut(p, "xz -0c"), "bad: the compressed data is truncated"),
    "a cut zst": (lambda p: _cut(p, "zstd -qc"), "bad: ends inside a zstd frame, at byte"),
    "bzip2": (lambda p: _packed(p, "bzip2 -c"), "bad is bzip2 data; wanted gz, xz, zst"),
    "qcow2": (lambda p: _converted(p, "qcow2"), "bad is a qcow2 disk; wanted a raw disk"),
    "vmdk": (lambda p: _converted(p, "vmdk"), "bad is a VMDK disk; wanted a raw disk"),
    "vhdx": (lambda p: _converted(p, "vhdx"), "bad is a VHDX disk; wanted a raw disk"),
    "dynamic VHD": (lambda p: _converted(p, "vpc"), "bad: the VHD is dynamic; wanted a fixed"),
    "dynamic VHD in a tar": (
        lambda p: _in_tar(p, lambda inner: _converted(inner, "vpc"), "disk.vhd"),
        "bad: disk.vhd: the VHD is dynamic; wanted a fixed one",
    ),
    "VHD with a wrong checksum": (lambda p: _vhd(p, is_whole=True), "bad: VHD footer: checksum"),
    "VHD without its end": (
        lambda p: _vhd(p, is_whole=False),
        "bad: VHD footer: a disk of 67108864 bytes, but 10485760 are there",
    ),
    "GPT that overlaps": (
        lambda p: _edited_gpt(p, _second(4096, 100000)),
        "GPT: partition 2 begins at byte 2097152, before 9437184\n  in the disk of bad",
    ),
    "GPT that does not end": (
        lambda p: _edited_gpt(p, _second(20000, 2**63)),
        "GPT: partition 2 ends at byte 4722366482869645214208",
    ),
    "GPT backwards": (
        lambda p: _edited_gpt(p, _second(30000, 20000)),
        "GPT: partition 2 is -5119488 bytes long",
    ),
    "GPT with too many entries": (
        lambda p: _edited_gpt(p, _geometry(0xFFFF_FFFF, 128)),
        "GPT: 4294967295 entries of 128 bytes",
    ),
    "GPT with entries of nothing": (
        lambda p: _edited_gpt(p, _geometry(128, 0)),
        "GPT: 128 entries of 0 bytes",
    ),
    "sectors of 4096 bytes": (
        _large_sectors,
        "GPT: the disk has sectors of 4096 bytes, wanted 512\n  in the disk of bad",
    ),
    "sectors of 4096 bytes in an MBR": (
        _large_sectors_in_mbr,
        "MBR: the disk has sectors of 4096 bytes, wanted 512\n  in the disk of bad",
    ),
    "MBR that overlaps": (
        lambda p: _mbr(p, {0: [(_LINUX, 2048, 4096), (_LINUX, 4096, 4096)]}),
        "MBR: partition 2 has 2097152 bytes at byte 2097152, wanted some at 3145728",
    ),
    "MBR that does not end": (
        lambda p: _mbr(p, {0: [(_LINUX, 2048, 0xFFFF_FFFF)]}),
        "MBR: partition 1 ends at byte 2199024303616 of 67108864",
    ),
    "a loop of two": (
        lambda p: _logical(p, 8192, 0),
        "MBR: the chain of logical partitions loops at sector 8192",
    ),
    "a loop of one": (
        lambda p: _logical(p, 0),
        "MBR: the chain of logical partitions loops at sector 8192",
    ),
    "a chain that leaves the disk": (
        lambda p: _logical(p, 0xFFFF_0000),
        "MBR: a table of logical partitions is said to be in sector 4294909952, the disk's last",
    ),
    "no root": (
        lambda p: _mbr(p, {0: [(_LINUX, 2048, 4096)]}),
        "no partition is an ext4 root of Photon OS; found partition 1: nothing known",
    ),
    "a bomb": (
        lambda p: _bomb(p, b"A", 200),
        "bad: its partition table ends at byte 2097152, and it unpacks to more than 64 MiB of data",
    ),
    "a bomb with a table to match": (
        lambda p: _endless(p, "igzip -1"),
        "bad: its partition table ends at byte 16492674416640; wanted 2199023255552 (2 TiB)",
    ),
    "a bomb with an MBR to match": (
        lambda p: _endless(p, "zstd -q", has_mbr=True),
        "bad: its partition table ends at byte 4398046509568; wanted 2199023255552 (2 TiB)",
    ),
}
"""What is wrong: how it is made, and what is said of it."""
