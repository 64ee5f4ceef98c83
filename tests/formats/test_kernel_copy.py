"""Runs of files that the kernel copies, or shares between both."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from builder.formats.disk import KIB, MIB
from builder.formats.kernel_copy import can_share, iter_copied
from builder.formats.stream import RangeDigest, Segment, Span, write_segments
from tests.support.judges import judge
from tests.support.loops import mounted

CONTENT = os.urandom(65 * MIB + 777)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def copy(source: Path, out: Path, *places: tuple[int, int]) -> list[int]:
    """Write runs of a file one after another; returns how long the written pieces were."""
    told: list[int] = []
    with source.open("rb") as read, out.open("w+b") as write:
        spans = [Span(read.fileno(), offset, length) for offset, length in places]
        write_segments(write.fileno(), spans, advance=told.append)
    return told


@pytest.mark.parametrize(
    "places",
    [
        [(0, len(CONTENT))],
        [(0, 2048), (2048, 5 * MIB), (5 * MIB + 2048, 100)],
        [(0, 1), (1, 70 * KIB), (70 * KIB + 1, 3)],
        [(100, 70 * KIB), (0, 2 * MIB)],
        [(64 * KIB, 1), (64 * KIB + 1, 18 * MIB)],
    ],
    ids=["whole", "patched", "tiny", "shifted", "a unit apart"],
)
def test_runs_are_what_the_source_has(
    places: list[tuple[int, int]], source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = copy(source, out, *places)
    assert out.read_bytes() == b"".join(CONTENT[at : at + length] for at, length in places)
    assert sum(told) == out.stat().st_size
    assert max(told) <= 64 * MIB


def test_digests_are_those_of_the_file_wherever_its_bytes_came_from(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    whole, part = RangeDigest("sha256"), RangeDigest("sha256", MIB - 7, 20 * MIB)
    with source.open("rb") as read, out.open("w+b") as write:
        fd = read.fileno()
        rest = Span(fd, MIB + 30_000, 20 * MIB)
        segments: list[Segment] = [Span(fd, 0, MIB), b"new" * 10_000, rest, b"end", Span(fd, 5, 9)]
        write_segments(write.fileno(), segments, (whole, part))
    data = out.read_bytes()
    assert data[MIB : MIB + 30_000] == b"new" * 10_000
    assert whole.hexdigest() == hashlib.sha256(data).hexdigest()
    assert part.hexdigest() == hashlib.sha256(data[MIB - 7 : 21 * MIB - 7]).hexdigest()


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="this system copies in user space")
def test_the_kernel_stops_where_the_source_does_and_where_places_do_not_suit(
    source: Path, tmp_path: Path
) -> None:
    with source.open("rb") as read, (tmp_path / "out").open("w+b") as write:
        fds = read.fileno(), write.fileno()
        assert sum(iter_copied(fds[0], 0, 99 * MIB, (fds[1], 0))) == len(CONTENT)
        assert list(iter_copied(fds[0], 1, 99, (fds[1], 0))) == []
        assert list(iter_copied(fds[1], 0, 99, (fds[0], 0))) == []


def test_what_cannot_share_says_so(source: Path) -> None:
    with source.open("rb") as read, Path(os.devnull).open("wb") as nowhere:
        assert not can_share(read.fileno(), nowhere.fileno())


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_a_file_system_that_can_shares_all_but_the_edges(kind: str, tmp_path: Path) -> None:
    with mounted(kind, tmp_path, 512 * MIB) as folder:
        source, out = folder / "source", folder / "out"
        source.write_bytes(CONTENT)
        os.sync()
        with source.open("rb") as read, out.open("w+b") as write:
            assert can_share(read.fileno(), write.fileno())
        copy(source, out, (0, 2048), (2048, 20 * MIB), (20 * MIB + 2048, 13 * MIB - 2048))
        assert out.read_bytes() == CONTENT[: 33 * MIB]
        os.sync()
        said = judge("filefrag", "-v", "-b1024", out).stdout
        shared = [
            int(line.split(":")[3]) for line in said.splitlines() if re.search(r":.*\bshared", line)
        ]
        assert sum(shared) * KIB >= 32 * MIB, said
