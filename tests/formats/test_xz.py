"""The .xz format by many threads, judged by xz."""

import lzma
from pathlib import Path

import pytest

from builder.formats.disk import MIB
from builder.formats.xz import PIECE, iter_xz
from tests.support.judges import judge

PIECES = {
    "nothing": [],
    "a byte": [b"x"],
    "zeros only": [3 * PIECE + 5],
    "both": [b"words " * 9999, 2 * MIB, b"end" * 1000],
}


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("level", [1, 6])
def test_xz_reads_it(pieces: list[bytes | int], level: int, tmp_path: Path) -> None:
    content = b"".join(bytes(one) if isinstance(one, int) else one for one in pieces)
    data = b"".join(iter_xz(pieces, level=level))
    assert lzma.decompress(data) == content
    path = tmp_path / "x.xz"
    path.write_bytes(data)
    judge("xz", "-t", path)
    listed = judge("xz", "--robot", "-l", path).stdout.splitlines()[1].split()
    assert int(listed[4]) == len(content)


def test_zeros_are_compressed_once() -> None:
    assert len(b"".join(iter_xz([64 * PIECE]))) < 64 * 2000
