"""Compressed streams: told by their bytes, packed for foreign tools, unpacked without surprises."""

import gzip
import lzma
import os
import random
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.compression import (
    Compression,
    iter_packed,
    iter_unpacked,
    read_size,
    sniff,
    unpack_head,
)
from builder.formats.disk import MIB
from builder.formats.disk_file import unpack_disk
from builder.formats.sparse import Window
from builder.formats.streaming import iter_unpacked_pieces
from tests.support.judges import judge

KINDS = [Compression.GZ, Compression.XZ, Compression.ZST]
TESTERS = {
    Compression.GZ: ("gzip", "-t"),
    Compression.XZ: ("xz", "-t"),
    Compression.ZST: ("zstd", "-tq"),
}


def make_sparse(path: Path) -> bytes:
    """Write a file with data at odd places, zeros that are no hole, and a hole at its end."""
    noise = random.Random(1).randbytes(3 * MIB + 77)
    with path.open("wb") as stream:
        stream.write(b"begin")
        stream.seek(9 * MIB + 12_345)
        stream.write(noise)
        stream.write(bytes(2 * MIB))
        stream.write(b"end")
        stream.truncate(40 * MIB + 100)
    return path.read_bytes()


def pack(path: Path, kind: Compression, out: Path, level: int | None = None) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        parts: list[bytes | Window] = [b"head", Window(fd, 0, path.stat().st_size), b"tail"]
        out.write_bytes(b"".join(iter_packed(parts, kind, level=level)))
    finally:
        os.close(fd)


def unpack(path: Path) -> bytes:
    pieces = list(iter_unpacked(path))
    assert max(map(len, pieces), default=0) <= MIB
    return b"".join(pieces)


@pytest.mark.parametrize("kind", [*KINDS, Compression.NONE])
def test_what_goes_in_comes_out(kind: Compression, tmp_path: Path) -> None:
    content = make_sparse(tmp_path / "in")
    out = tmp_path / f"out.{kind}"
    pack(tmp_path / "in", kind, out)
    assert unpack(out) == b"head" + content + b"tail"
    if kind in TESTERS:
        judge(*TESTERS[kind], out)
        assert out.stat().st_size < 3.4 * MIB
    assert sniff(out.read_bytes()[:8]) is kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [1, 5, 9])
def test_foreign_tools_unpack_every_level(kind: Compression, level: int, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"words and words " * 100_000)
    out = tmp_path / f"out.{kind}"
    pack(tmp_path / "in", kind, out, level)
    tool = {"gz": "gzip", "xz": "xz", "zst": "zstd"}[kind]
    judge(tool, "-dkf", out)
    assert out.with_suffix("").read_bytes() == b"head" + (tmp_path / "in").read_bytes() + b"tail"


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_said(kind: Compression, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(random.Random(2).randbytes(5000) + bytes(100_000))
    whole = tmp_path / "whole"
    pack(tmp_path / "in", kind, whole)
    data = whole.read_bytes()
    short = tmp_path / "short"
    for length in [
        *range(7, 60),
        *range(60, len(data) - 40, 97),
        *range(len(data) - 40, len(data)),
    ]:
        short.write_bytes(data[:length])
        with pytest.raises(FormatError, match="short|end|cut|truncat"):
            unpack(short)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found(kind: Compression, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"some text, and more of it " * 3000)
    whole = tmp_path / "whole"
    pack(tmp_path / "in", kind, whole)
    data = bytearray(whole.read_bytes())
    data[len(data) // 2] ^= 0x10
    whole.write_bytes(data)
    with pytest.raises(FormatError):
        unpack(whole)


def test_what_other_writers_make_is_read(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(3 * MIB) + bytes(5 * MIB)
    path = tmp_path / "x"
    for written in (
        gzip.compress(content[:MIB]) + gzip.compress(content[MIB:]) + bytes(512),
        lzma.compress(content[:MIB]) + bytes(8) + lzma.compress(content[MIB:]),
        lzma.compress(content, preset=9),
    ):
        path.write_bytes(written)
        assert unpack(path) == content
    path.write_bytes(content)
    judge("zstd", "-q", "-19", "--long=27", path, "-o", tmp_path / "x.zst")
    assert unpack(tmp_path / "x.zst") == content


@pytest.mark.parametrize("garbage", [b"garbage", b"\x1f\x8b\x08garbage"], ids=["plain", "magic"])
def test_garbage_behind_the_data_is_refused(garbage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"fine") + garbage)
    with pytest.raises(FormatError):
        unpack(path)


@pytest.mark.parametrize("magic", [b"BZh9", b"LZIP\1", b"\x04\x22\x4d\x18", b"PK\3\4"])
def test_a_compression_that_is_not_read_is_named(magic: bytes) -> None:
    with pytest.raises(
        FormatError,
        match="is (bzip2 data|lzip data|LZ4 data|a zip archive); wanted gz, xz, zst or none",
    ):
        sniff(magic + bytes(8))


def test_a_bomb_costs_a_megabyte_of_memory_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zst"
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + (((128 << 10) << 3) | 2).to_bytes(3, "little") + b"x"
    block = (((128 << 10) << 3) | 2).to_bytes(3, "little") + b"x"
    path.write_bytes(frame + block * 20_000 + (1 | 1 << 3).to_bytes(3, "little") + b"y")
    pieces = iter_unpacked(path)
    assert all(len(next(pieces)) <= MIB for _ in range(20))
    pieces.close()


def test_the_head_tells_what_is_inside(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(random.Random(4).randbytes(300_000))
    for kind in KINDS:
        out = tmp_path / kind
        pack(tmp_path / "in", kind, out)
        assert unpack_head(out.read_bytes()[: 1 << 18]).startswith(b"head"), kind
    assert unpack_head(b"\x1f\x8b") == b""
    assert unpack_head(b"plain") == b"plain"


@pytest.mark.parametrize("kind", [Compression.XZ, Compression.ZST, Compression.NONE])
def test_a_file_says_what_it_unpacks_to(kind: Compression, tmp_path: Path) -> None:
    content = make_sparse(tmp_path / "in")
    pack(tmp_path / "in", kind, tmp_path / "out")
    assert read_size(tmp_path / "out") == len(content) + 8


@pytest.mark.parametrize("tool", ["xz", "zstd"])
def test_a_file_of_a_foreign_tool_says_what_it_unpacks_to(tool: str, tmp_path: Path) -> None:
    sizes = [0, 200, 300, 70_000]
    suffix = {"xz": ".xz", "zstd": ".zst"}[tool]
    joined = tmp_path / "joined"
    for size in sizes:
        (tmp_path / str(size)).write_bytes(b"z" * size)
        judge(tool, "-qk", tmp_path / str(size))
    parts = [(tmp_path / f"{size}{suffix}").read_bytes() for size in sizes]
    joined.write_bytes((bytes(8) if tool == "xz" else b"").join(parts))
    assert read_size(joined) == sum(sizes)


def test_gzip_and_a_zstd_stream_of_unknown_length_do_not_say_it(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"words")
    judge("gzip", "-k", tmp_path / "in")
    judge("sh", "-c", f"zstd -q < {tmp_path / 'in'} > {tmp_path / 'in.zst'}")
    assert read_size(tmp_path / "in.gz") is None
    assert read_size(tmp_path / "in.zst") is None


def test_every_truncated_xz_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"words")
    pack(tmp_path / "in", Compression.XZ, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for length in range(8, len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(FormatError, match="cut"):
            read_size(tmp_path / "cut")


@pytest.mark.parametrize("kind", [*KINDS, Compression.NONE])
@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_a_stream_that_passes_by_is_unpacked(kind: Compression, step: int, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(random.Random(3).randbytes(3000) + bytes(100_000))
    pack(tmp_path / "in", kind, tmp_path / "out")
    raw = (tmp_path / "out").read_bytes()
    pieces = (raw[at : at + step] for at in range(0, len(raw), step))
    found = b"".join(iter_unpacked_pieces(pieces, name="x"))
    assert found == b"head" + (tmp_path / "in").read_bytes() + b"tail"


@pytest.mark.parametrize("kind", [Compression.GZ, Compression.XZ, Compression.ZST])
def test_packing_counts_all_that_it_takes(kind: Compression, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as stream:
        stream.write(os.urandom(3 << 20))
        stream.truncate(100 << 20)
    counted: list[int] = []
    with path.open("rb") as stream:
        parts: list[bytes | Window] = [b"head", Window(stream.fileno(), 0, 100 << 20)]
        for _ in iter_packed(parts, kind, advance=counted.append):
            pass
    assert sum(counted) == 4 + (100 << 20)
    assert len(counted) > 2


def test_unpacking_a_disk_counts_all_that_comes_out(tmp_path: Path) -> None:
    packed, disk = tmp_path / "disk.xz", tmp_path / "disk"
    content = bytes(510) + b"\x55\xaa" + bytes(5 << 20)
    packed.write_bytes(lzma.compress(content))
    counted: list[int] = []
    with disk.open("w+b") as stream:
        unpack_disk(packed, stream.fileno(), counted.append)
    assert sum(counted) == len(content)
    assert disk.read_bytes() == content
