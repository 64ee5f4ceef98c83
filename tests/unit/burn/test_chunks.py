"""An image cut into aligned chunks and gaps: nothing lost, nothing twice, always the same."""

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from builder.burn.chunks import (
    ALIGN,
    CHUNK,
    HEAD,
    BlockPatches,
    BufferPool,
    Chunk,
    Gap,
    Run,
    iter_parts,
    new_checksum,
)
from builder.errors import FormatError
from builder.formats.disk import KIB, MIB
from builder.formats.stream import Span


def rebuilt(runs: Iterable[Run], size: int) -> tuple[bytes, list[tuple[str, int, int]]]:
    """Put an image together from its parts, and return their kinds, offsets and lengths."""
    content, parts = bytearray(b"\xee" * size), []
    position = 0
    for task in iter_parts(runs, size, BufferPool(1), checksums=True):
        assert task.offset == position, "a hole between two parts, or the same twice"
        assert task.offset % ALIGN == 0
        position = task.end
        parts.append((type(task).__name__, task.offset, task.end - task.offset))
        if isinstance(task, Chunk):
            assert task.length <= CHUNK
            assert task.checksum == new_checksum(task.view).digest()
            content[task.offset : task.end] = task.view
            task.release()
        else:
            content[task.offset : task.end] = bytes(task.length)
    return bytes(content[:size]), parts


def expected(runs: Iterable[tuple[int, bytes]], size: int) -> bytes:
    content = bytearray(size)
    for offset, data in runs:
        content[offset : offset + len(data)] = data
    return bytes(content)


def test_the_first_mib_is_a_chunk_of_its_own() -> None:
    runs = [(0, b"a" * (9 * MIB))]
    _, parts = rebuilt(iter(runs), 9 * MIB)
    assert parts == [
        ("Chunk", 0, HEAD),
        ("Chunk", HEAD, 3 * MIB),
        ("Chunk", 4 * MIB, 4 * MIB),
        ("Chunk", 8 * MIB, MIB),
    ]


def test_long_gaps_are_told_and_short_ones_are_filled() -> None:
    runs = [(0, b"a" * 10), (100 * KIB, b"b"), (5 * MIB, b"c"), (300 * MIB, b"d")]
    content, parts = rebuilt(iter(runs), 301 * MIB)
    assert content == expected(runs, 301 * MIB)
    kinds = [kind for kind, _, _ in parts]
    assert kinds == ["Chunk", "Gap", "Chunk", "Gap", "Gap", "Chunk", "Gap"]
    assert max(length for kind, _, length in parts if kind == "Gap") <= 256 * MIB


@pytest.mark.parametrize("seed", range(8))
def test_any_image_is_put_together_again(seed: int) -> None:
    dice = random.Random(seed)
    size = 24 * MIB + 512 * dice.randrange(10)
    runs, at = [], dice.choice([0, 0, 512, 3 * MIB])
    while at < size:
        data = dice.randbytes(min(dice.choice([1, 512, 70_000, 2 * MIB]), size - at))
        runs.append((at, data))
        at += len(data) + dice.choice([0, 0, 1, 4096, 300 * KIB, 2 * MIB])
    content, parts = rebuilt(iter(runs), size)
    assert content == expected(runs, size)
    assert rebuilt(iter(runs), size)[1] == parts


def test_parts_of_a_file_are_read_into_place(tmp_path: Path) -> None:
    data = random.Random(7).randbytes(6 * MIB)
    (tmp_path / "in").write_bytes(data)
    fd = os.open(tmp_path / "in", os.O_RDONLY)
    try:
        runs: list[Run] = [(0, Span(fd, 0, MIB)), (3 * MIB, Span(fd, 3 * MIB, 3 * MIB))]
        content, _ = rebuilt(iter(runs), 6 * MIB)
        assert content == data[:MIB] + bytes(2 * MIB) + data[3 * MIB :]
        short: list[Run] = [(0, Span(fd, 5 * MIB, 2 * MIB))]
        with pytest.raises(FormatError, match=f"ends at byte {6 * MIB} while it is read"):
            rebuilt(iter(short), 2 * MIB)
    finally:
        os.close(fd)


def test_an_image_without_anything_is_one_gap() -> None:
    assert rebuilt(iter([]), MIB)[1] == [("Gap", 0, MIB)]


def test_a_buffer_is_free_when_the_last_card_has_released_it() -> None:
    pool = BufferPool(1)
    tasks = iter_parts(iter([(0, b"x" * MIB), (MIB, b"y")]), 2 * MIB, pool)
    first = next(tasks)
    assert isinstance(first, Chunk)
    first.share(2)
    first.release()
    assert pool.free == 0
    first.release()
    assert pool.free == 1


def test_an_overlay_gives_the_parts_that_lie_in_a_range() -> None:
    overlay = BlockPatches({64 * KIB: b"a" * (64 * KIB), MIB: b"b" * 5000})
    assert list(overlay.within(0, 64 * KIB)) == []
    assert list(overlay.within(0, 68 * KIB)) == [(64 * KIB, b"a" * (4 * KIB))]
    assert list(overlay.within(100 * KIB, 2 * MIB)) == [
        (100 * KIB, b"a" * (28 * KIB)),
        (MIB, b"b" * 5000 + bytes(8192 - 5000)),
    ]


def test_a_gap_ends_where_it_says() -> None:
    assert Gap(4096, 8192).end == 12288
