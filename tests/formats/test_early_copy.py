"""A copy that is under way while the rest of a file is written: the last word is the writer's."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import KIB, MIB
from builder.formats.early_copy import copy_early
from builder.formats.stream import RangeDigest, Segment, Span, write_segments
from tests.support.judges import judge
from tests.support.loops import mounted

CONTENT = random.Random(5).randbytes(MIB) * 48 + b"12345"
SIZE = len(CONTENT)
LATE, LATER = 45 * MIB + 100, 47 * MIB + 100


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of random bytes."""
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["this filesystem", "btrfs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where files can share their blocks, and where they can not."""
    with ExitStack() as stack:
        if request.param == "btrfs":
            yield stack.enter_context(mounted("btrfs", tmp_path, 512 * MIB))
        else:
            yield tmp_path


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is slow to copy from, but not for the writer."""
    copy_file_range = os.copy_file_range

    def slowly(*places: int) -> int:
        is_late = threading.current_thread() is not threading.main_thread()
        time.sleep(0.1 if is_late else 0)
        return copy_file_range(*places)

    monkeypatch.setattr(os, "copy_file_range", slowly)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("same", [True, False])
def test_patches_win_over_the_copy(folder: Path, *, same: bool) -> None:
    """The first patch is written while the copy is still where it goes, unless it is awaited."""
    source, made, wanted = folder / "source", folder / "made", folder / "wanted"
    source.write_bytes(CONTENT)
    first, middle, last = bytes(24 * MIB), b"middle", b"behind"
    places = [(24 * MIB, LATE), (LATE + 6, LATER), (LATER + 6, SIZE)]
    kept = [CONTENT[start:end] for start, end in places]
    expected = first + middle.join(kept) + last
    wanted.write_bytes(expected)
    with source.open("rb") as one, source.open("rb") as other, made.open("w+b") as out:
        fd = (one if same else other).fileno()
        with copy_early(one.fileno(), out.fileno(), SIZE) as early:
            spans = [Span(fd, start, end - start) for start, end in places]
            segments: list[Segment] = [first, spans[0], middle, spans[1], middle, spans[2], last]
            digest = RangeDigest("sha256")
            assert write_segments(out.fileno(), segments, [digest], early=early) == len(expected)
    judge("cmp", made, wanted)
    assert judge("sha256sum", made).stdout.split()[0] == digest.hexdigest()


@pytest.mark.usefixtures("slow")
def test_what_moves_and_what_is_cut_off_is_not_left_to_the_copy(
    source: Path, tmp_path: Path
) -> None:
    made, wanted = tmp_path / "made", tmp_path / "wanted"
    wanted.write_bytes(source.read_bytes()[192 * KIB :][: 8 * MIB])
    with (
        source.open("rb") as old,
        made.open("w+b") as out,
        copy_early(old.fileno(), out.fileno(), SIZE) as early,
    ):
        write_segments(out.fileno(), [Span(old.fileno(), 192 * KIB, 8 * MIB)], early=early)
    judge("cmp", made, wanted)


def test_a_source_that_became_shorter_is_said(source: Path, tmp_path: Path) -> None:
    os.truncate(source, 20 * MIB)
    with (
        source.open("rb") as old,
        (tmp_path / "made").open("w+b") as out,
        copy_early(old.fileno(), out.fileno(), SIZE) as early,
        pytest.raises(FormatError, match=f"a source ends at byte {20 * MIB}"),
    ):
        write_segments(out.fileno(), [Span(old.fileno(), 0, SIZE)], early=early)


def test_nothing_is_written_any_more_after_it_was_given_up(source: Path, tmp_path: Path) -> None:
    with source.open("rb") as old, (tmp_path / "made").open("w+b") as out:
        with copy_early(old.fileno(), out.fileno(), SIZE):
            pass
        os.ftruncate(out.fileno(), 0)
        time.sleep(0.3)
        assert os.fstat(out.fileno()).st_size == 0
