"""How far a stream may go behind the end of its own partition table."""

from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import GIB, MIB
from builder.formats.size_limit import SizeLimit
from tests.support.judges import judge

END = 64 * MIB
ZEROS = bytes(MIB)
DATA = b"A" * MIB


def make_head(path: Path, label: str, size: int) -> bytes:
    """Return the beginning of a disk that sfdisk has partitioned to its end."""
    judge("truncate", "-s", str(size), path)
    judge("sfdisk", "-q", path, text=f"label: {label}\n2048,,\n")
    with path.open("rb") as stream:
        return stream.read(MIB)


@pytest.fixture(params=["gpt", "dos"])
def bound(request: pytest.FixtureRequest, tmp_path: Path) -> SizeLimit:
    """Return the bound of a disk of 64 MiB."""
    return SizeLimit(make_head(tmp_path / "disk", request.param, END), name="x")


def test_a_whole_disk_is_admitted_whatever_it_holds(bound: SizeLimit) -> None:
    for offset in range(0, END, MIB):
        bound.admit(offset, DATA)


def test_a_little_data_behind_the_end_is_admitted_and_more_is_not(bound: SizeLimit) -> None:
    for offset in range(END, END + 64 * MIB, MIB):
        bound.admit(offset, DATA)
    sentence = f"x: its partition table ends at byte {END}, and it unpacks to more than 64 MiB"
    with pytest.raises(FormatError, match=sentence):
        bound.admit(END + 64 * MIB, DATA)


def test_zeros_are_admitted_much_farther_but_not_for_ever(bound: SizeLimit) -> None:
    bound.admit(END + 64 * GIB - MIB, ZEROS)
    with pytest.raises(FormatError, match="it unpacks to more than 64 GiB behind it"):
        bound.admit(END + 64 * GIB, ZEROS)


def test_a_size_that_is_said_beforehand_is_looked_at_first(bound: SizeLimit) -> None:
    bound.check_size(END + 64 * GIB)
    with pytest.raises(FormatError, match=f"it unpacks to {END + 64 * GIB + 1} bytes"):
        bound.check_size(END + 64 * GIB + 1)


def test_a_head_without_a_table_has_no_end() -> None:
    with pytest.raises(FormatError, match="its partition table ends at byte 0"):
        SizeLimit(bytes(1024), name="x").check_size(65 * GIB)


@pytest.mark.parametrize("label", ["gpt", "dos"])
def test_the_largest_disk_that_a_target_takes_is_admitted(label: str, tmp_path: Path) -> None:
    SizeLimit(make_head(tmp_path / "disk", label, 2048 * GIB), name="x").check_size(2048 * GIB)


def test_a_table_that_claims_more_than_any_target_takes_is_refused_at_once(tmp_path: Path) -> None:
    size = 2048 * GIB + MIB
    head = make_head(tmp_path / "disk", "gpt", size)
    with pytest.raises(FormatError, match=rf"x: its partition table ends at byte {size}; wanted"):
        SizeLimit(head, name="x")
