"""Bytes that are put aside: in memory, beyond a bound in a file that nobody sees."""

from pathlib import Path

import pytest

from builder.errors import HostError
from builder.formats.spill import Spill, load
from builder.formats.stream import Span


def test_what_fits_stays_in_memory_and_the_rest_goes_to_a_file(tmp_path: Path) -> None:
    with Spill(tmp_path, in_memory=100) as spill:
        small, large, last = (spill.keep(bytes([n]) * 60) for n in range(3))
        assert small == b"\0" * 60
        assert isinstance(large, Span)
        assert isinstance(last, Span)
        assert [load(each) for each in (small, large, last)] == [bytes([n]) * 60 for n in range(3)]
        assert list(tmp_path.iterdir()) == []


def test_what_is_dropped_makes_room(tmp_path: Path) -> None:
    with Spill(tmp_path, in_memory=100) as spill:
        for _ in range(10):
            kept = spill.keep(b"x" * 90)
            assert not isinstance(kept, Span)
            spill.drop(kept)
        aside = [spill.keep(b"y" * 90), spill.keep(b"z" * 90)]
        assert isinstance(aside[1], Span)
        spill.drop(aside[1])
        assert isinstance(spill.keep(b"x" * 20), Span)


def test_the_file_is_closed_in_the_end(tmp_path: Path) -> None:
    with Spill(tmp_path, in_memory=0) as spill:
        kept = spill.keep(b"x")
        assert isinstance(kept, Span)
    with pytest.raises(HostError, match="Bad file descriptor"):
        load(kept)


def test_a_place_where_no_file_can_be_made_is_said(tmp_path: Path) -> None:
    with (
        Spill(tmp_path / "missing", in_memory=0) as spill,
        pytest.raises(HostError, match="missing: no such file"),
    ):
        spill.keep(b"x")
