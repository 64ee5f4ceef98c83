"""The .xz format read by its blocks: what xz wrote, and what nobody should have written."""

import lzma
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.compression import iter_unpacked
from builder.formats.disk import MIB
from builder.formats.xz import PIECE, format_index, iter_xz
from builder.formats.xz_blocks import Block, find_blocks, iter_blocks
from tests.support.judges import judge


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, int]]:
    """Open a file and yield its descriptor and length."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd, os.fstat(fd).st_size
    finally:
        os.close(fd)


def blocks_of(path: Path) -> list[Block]:
    with opened(path) as (fd, length):
        return find_blocks(fd, length)


def content() -> bytes:
    """Data, many equal blocks of zeros, and data that ends within a block."""
    data = random.Random(7).randbytes(MIB // 2)
    return data + bytes(9 * MIB + MIB // 2) + data + data[:1001]


def packed(folder: Path, *options: str) -> Path:
    """Return what xz makes of the content."""
    (folder / "x").write_bytes(content())
    judge("xz", "-1", *options, folder / "x")
    return folder / "x.xz"


@pytest.mark.parametrize("check", ["crc32", "crc64", "sha256"])
def test_what_xz_wrote_in_blocks_is_read(check: str, tmp_path: Path) -> None:
    path = packed(tmp_path, "--block-size=1MiB", "-T2", f"--check={check}")
    found = blocks_of(path)
    assert [block.size for block in found] == [*[MIB] * 10, MIB // 2 + 1001]
    with opened(path) as (fd, _):
        pieces = list(iter_blocks(fd, found, name="x"))
    assert b"".join(pieces) == content()
    assert max(map(len, pieces)) == MIB


def test_what_we_wrote_is_read_with_zeros_decoded_once(tmp_path: Path) -> None:
    path = tmp_path / "x.xz"
    path.write_bytes(b"".join(iter_xz([b"a" * 5000, 40 * PIECE, b"b" * 5000])))
    assert len(blocks_of(path)) == 42
    data = list(iter_unpacked(path))
    assert b"".join(data) == b"a" * 5000 + bytes(40 * PIECE) + b"b" * 5000
    assert len({id(piece) for piece in data[1:321]}) <= 8, "equal blocks share what they hold"


ODD: dict[str, Callable[[Path], bytes]] = {
    "one block": lambda folder: packed(folder).read_bytes(),
    "large blocks": lambda _: b"".join(iter_xz([bytes(17 * MIB - 1) + b"x", b"y"])),
    "two streams": lambda folder: packed(folder, "--block-size=1MiB").read_bytes() * 2,
    "padding": lambda folder: packed(folder, "--block-size=1MiB").read_bytes() + bytes(8),
    "nothing": lambda _: lzma.compress(b""),
    "a bare word": lambda _: b"YZ",
    "no bytes": lambda _: b"",
}


@pytest.mark.parametrize("name", ODD)
def test_other_files_are_left_to_be_read_from_front_to_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(ODD[name](tmp_path))
    assert blocks_of(path) == []


def test_every_way_of_cutting_it_short_is_a_sentence(tmp_path: Path) -> None:
    data = b"".join(iter_xz([b"a" * 5000, b"b" * 5000, b"c" * 5000]))
    path = tmp_path / "short.xz"
    for length in range(len(data) - 1):
        path.write_bytes(data[:length])
        if length > 5:
            with pytest.raises(FormatError):
                list(iter_unpacked(path))


def test_a_flipped_bit_anywhere_is_a_sentence(tmp_path: Path) -> None:
    data = bytearray(b"".join(iter_xz([b"a" * 5000, b"b" * 5000])))
    path = tmp_path / "flipped.xz"
    for at in range(6, len(data)):
        data[at] ^= 0x10
        path.write_bytes(data)
        with pytest.raises(FormatError):
            list(iter_unpacked(path))
        data[at] ^= 0x10


def test_a_block_that_holds_more_than_the_index_says_is_no_bomb(tmp_path: Path) -> None:
    real = lzma.compress(bytes(64 * MIB), lzma.FORMAT_XZ, lzma.CHECK_CRC64)
    backward = int.from_bytes(real[-8:-4], "little")
    block = real[12 : -12 - (backward + 1) * 4]
    unpadded = len(block)
    data = real[:12] + block * 2 + format_index([(unpadded, 1000), (unpadded, 1000)], real)
    path = tmp_path / "bomb.xz"
    path.write_bytes(data)
    assert len(blocks_of(path)) == 2
    with pytest.raises(FormatError):
        list(iter_unpacked(path))
