"""Holes: never filled, never lost, and no part of what a file says."""

import os
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import GIB, KIB, MIB
from builder.formats.sparse import (
    SparseDisk,
    Window,
    copy_sparse,
    iter_cells,
    iter_data,
    iter_pieces,
    open_scratch,
    write_sparse,
)


def spell(pieces: list[bytes | int]) -> bytes:
    return b"".join(bytes(one) if isinstance(one, int) else one for one in pieces)


def test_zeros_are_not_written(tmp_path: Path) -> None:
    with open_scratch(tmp_path) as fd:
        data = bytes(100 * KIB) + b"x" + bytes(MIB - 100 * KIB - 1)
        write_sparse(fd, data, 512 * MIB)
        os.ftruncate(fd, GIB)
        assert os.pread(fd, MIB, 512 * MIB) == data
        assert os.fstat(fd).st_blocks * 512 <= 64 * KIB
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shift", [0, 1, 512, 4095])
def test_runs_follow_the_blocks_of_the_file(shift: int, tmp_path: Path) -> None:
    with open_scratch(tmp_path) as fd:
        data = b"a" + bytes(20 * KIB) + b"b" + bytes(70 * KIB) + b"c"
        write_sparse(fd, data, shift)
        assert os.pread(fd, len(data), shift) == data
        assert os.fstat(fd).st_blocks * 512 <= 16 * KIB


def test_equal_contents_give_equal_pieces_whatever_is_a_hole(tmp_path: Path) -> None:
    content = bytes(3 * MIB) + b"x" * 70_000 + bytes(2 * MIB) + b"y" + bytes(100)
    (tmp_path / "filled").write_bytes(content)
    with (tmp_path / "filled").open("rb") as filled, open_scratch(tmp_path) as fd:
        write_sparse(fd, content[: 4 * MIB], 0)
        write_sparse(fd, content[4 * MIB :], 4 * MIB)
        os.ftruncate(fd, len(content))
        one = list(iter_pieces([b"head", Window(filled.fileno(), 0, len(content))]))
        two = list(iter_pieces([b"head", Window(fd, 0, len(content))]))
    assert one == two
    assert spell(one) == b"head" + content
    assert one[1] == 3 * MIB


def test_short_zeros_stay_within_a_piece(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * 65536 + bytes(65536) + b"b" * 65536)
    with path.open("rb") as stream:
        window = Window(stream.fileno(), 0, 3 * 65536)
        assert list(iter_pieces([window], shortest_hole=MIB)) == [path.read_bytes()]
        assert [type(one) for one in iter_pieces([window])] == [bytes, int, bytes]


def test_a_sparse_copy_keeps_its_holes(tmp_path: Path) -> None:
    with open_scratch(tmp_path) as source, open_scratch(tmp_path) as copy:
        os.pwrite(source, b"x" * 5000, 100 * MIB)
        os.ftruncate(source, GIB)
        copy_sparse(Window(source, 0, GIB), copy)
        assert os.fstat(copy).st_size == GIB
        assert os.fstat(copy).st_blocks <= os.fstat(source).st_blocks + 16
        assert os.pread(copy, 5000, 100 * MIB) == b"x" * 5000
        assert [length for _, length in iter_data(copy, 0, GIB)] == [8192]
        assert [offset for offset, _ in iter_cells(Window(copy, 0, GIB))] == [100 * MIB]


def test_a_disk_ends_where_it_ends(tmp_path: Path) -> None:
    with open_scratch(tmp_path) as fd:
        disk = SparseDisk(fd, 1024, name="it")
        assert disk.read(0, 1024) == bytes(1024)
        disk.grow(2048)
        disk.write(2047, b"x")
        for offset, length in ((2047, 2), (-1, 1), (0, -1)):
            with pytest.raises(FormatError, match="of a disk of 2048"):
                disk.read(offset, length)
