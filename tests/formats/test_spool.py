"""Bytes that are put aside: in memory, beyond a bound in a file that nobody sees."""

from pathlib import Path

import pytest

from builder.errors import HostError
from builder.formats.spool import Spool, load
from builder.formats.stream import Span


def test_what_fits_stays_in_memory_and_the_rest_goes_to_a_file(tmp_path: Path) -> None:
    with Spool(tmp_path, in_memory=100) as spool:
        small, large, last = (spool.keep(bytes([n]) * 60) for n in range(3))
        assert small == b"\0" * 60
        assert isinstance(large, Span)
        assert isinstance(last, Span)
        assert [load(each) for each in (small, large, last)] == [bytes([n]) * 60 for n in range(3)]
        assert list(tmp_path.iterdir()) == []


def test_what_is_dropped_makes_room(tmp_path: Path) -> None:
    with Spool(tmp_path, in_memory=100) as spool:
        for _ in range(10):
            kept = spool.keep(b"x" * 90)
            assert not isinstance(kept, Span)
            spool.drop(kept)
        aside = [spool.keep(b"y" * 90), spool.keep(b"z" * 90)]
        assert isinstance(aside[1], Span)
        spool.drop(aside[1])
        assert isinstance(spool.keep(b"x" * 20), Span)


def test_the_file_is_closed_in_the_end(tmp_path: Path) -> None:
    with Spool(tmp_path, in_memory=0) as spool:
        kept = spool.keep(b"x")
        assert isinstance(kept, Span)
    with pytest.raises(HostError, match="Bad file descriptor"):
        load(kept)


def test_a_place_where_no_file_can_be_made_is_said(tmp_path: Path) -> None:
    with (
        Spool(tmp_path / "missing", in_memory=0) as spool,
        pytest.raises(HostError, match="missing: no such file"),
    ):
        spool.keep(b"x")
