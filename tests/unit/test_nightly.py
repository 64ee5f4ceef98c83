"""The folder of nightly builds, and what it tells: names, pointer, pruning, records."""

import json
import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.errors import (
    BuilderError,
    Diagnostic,
    HostError,
    Place,
    SpecError,
)
from builder.nightly.carry import carry
from builder.nightly.folder import Builds, build_name
from builder.nightly.record import Row, State, Summary, failure, read_rows
from tests.support.program import names_in


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    """A folder with three builds, the second of which is the newest that was published whole."""
    for name in ("20261123.0", "20261123.2", "20261123.10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.ova").write_text(name)
    (tmp_path / "latest").symlink_to("20261123.2")
    return Builds(tmp_path)


def test_builds_are_in_the_order_of_their_days_and_counters(builds: Builds) -> None:
    (builds.directory / "20251231.5").mkdir()
    (builds.directory / "20261123").mkdir()
    (builds.directory / "20261123.3").write_text("a file")
    assert builds.ids() == ["20251231.5", "20261123.0", "20261123.2", "20261123.10"]
    assert builds.latest() == "20261123.2"


def test_the_first_build_of_a_day_has_the_counter_0_and_later_ones_the_next(
    tmp_path: Path,
) -> None:
    builds = Builds(tmp_path)
    for number in (0, 1):
        with builds.draft() as draft:
            (draft / "a").write_text(str(number))
            builds.publish(draft)
        assert builds.latest() == f"{datetime.now(UTC):%Y%m%d}.{number}"
        assert (tmp_path / "latest" / "a").read_text() == str(number)
    assert names_in(tmp_path) == [*builds.ids(), "latest"]


def test_a_draft_that_is_not_published_disappears(builds: Builds) -> None:
    before = names_in(builds.directory)
    with builds.draft() as draft:
        (draft / "a").write_text("half")
        assert names_in(builds.directory) != before
    assert names_in(builds.directory) == before


def test_a_published_build_is_read_only(builds: Builds) -> None:
    with builds.draft() as draft:
        (draft / "a.ova").write_text("x")
        name = build_name(draft)
        builds.publish(draft)
    assert (builds.directory / name / "a.ova").stat().st_mode & 0o222 == 0


@pytest.mark.parametrize(
    ("keep", "gone"),
    [(1, ["20261123.0"]), (2, ["20261123.0"]), (3, []), (9, [])],
)
def test_pruning_keeps_the_newest_and_what_a_pointer_names(
    keep: int, gone: list[str], builds: Builds
) -> None:
    assert builds.prune(keep) == gone
    assert builds.latest() == "20261123.2"
    assert not set(gone) & set(names_in(builds.directory))


def test_pruning_keeps_what_the_users_own_pointer_names(builds: Builds) -> None:
    (builds.directory / "stable").symlink_to("20261123.0")
    assert builds.prune(1) == []
    assert len(builds.ids()) == 3


def test_what_a_killed_run_left_is_removed_by_the_next(builds: Builds) -> None:
    (builds.directory / ".making-20261124.0").mkdir()
    (builds.directory / ".making-20261124.0" / "a").write_text("half")
    (builds.directory / ".pruned-20261101.0").mkdir()
    (builds.directory / ".making-latest").symlink_to("20261124.0")
    with builds.locked():
        pass
    names = ["20261123.0", "20261123.10", "20261123.2", "latest"]
    assert names_in(builds.directory) == names


def test_only_one_run_works_in_a_folder(builds: Builds) -> None:
    with builds.locked(), pytest.raises(HostError, match="locked by another nightly run"):
        Builds(builds.directory).locked().__enter__()
    with builds.locked():
        pass


def test_something_else_in_the_place_of_the_pointer_is_not_replaced(builds: Builds) -> None:
    (builds.directory / "latest").unlink()
    (builds.directory / "latest").mkdir()
    with pytest.raises(HostError, match="latest is not a symbolic link"):
        builds.latest()


def test_a_pointer_to_nothing_is_none(builds: Builds) -> None:
    (builds.directory / "latest").unlink()
    (builds.directory / "latest").symlink_to("20200101.0")
    assert builds.latest() == ""


def made(folder: Path) -> Path:
    """An artifact with what belongs to it."""
    folder.mkdir()
    artifact = folder / "a.raw"
    artifact.write_bytes(b"x" * 5000 + bytes(1 << 20))
    (folder / "a.raw.bmap").write_text("map")
    (folder / "a.raw.xz").write_text("of another spec")
    record = {"artifact": {"beside": ["a.raw.bmap", "../../etc/passwd", "gone"]}}
    (folder / "a.raw.provenance.json").write_text(json.dumps(record))
    (folder / "SHA256SUMS").write_text(f"{'ab' * 32}  a.raw\n{'cd' * 32}  a.raw.xz\n")
    os.utime(artifact, (1_700_000_000, 1_700_000_000))
    return artifact


def test_an_artifact_is_taken_over_with_what_belongs_to_it_and_without_a_copy(
    tmp_path: Path,
) -> None:
    artifact, there = made(tmp_path / "old"), tmp_path / "new"
    there.mkdir()
    carry(artifact, there)
    names = ["SHA256SUMS", "a.raw", "a.raw.bmap", "a.raw.provenance.json"]
    assert names_in(there) == names
    assert (there / "a.raw").samefile(artifact)
    assert (there / "SHA256SUMS").read_text() == f"{'ab' * 32}  a.raw\n"


def test_without_hard_links_it_is_copied_with_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    artifact, there = made(tmp_path / "old"), tmp_path / "new"
    there.mkdir()
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    carry(artifact, there)
    twin = there / "a.raw"
    assert twin.read_bytes() == artifact.read_bytes()
    assert twin.stat().st_mtime_ns == artifact.stat().st_mtime_ns
    assert not twin.samefile(artifact)


def test_a_record_is_read_back_and_lacks_what_has_no_artifact(tmp_path: Path) -> None:
    rows = (
        Row("specs/a.yaml", "ova", State.BUILT, "a.ova", "ab" * 32, 7, "20261123.0", 1.5),
        failure("specs/b.yaml", "", BuilderError("broken")),
    )
    summary = Summary("2026-11-23T01:00:00+00:00", 2.0, "20261123.0", "20261123.0", rows)
    (tmp_path / "summary.json").write_text(summary.text())
    assert read_rows(tmp_path) == rows[:1]
    assert summary.exit_code == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["artifacts"][0].update(artifact="../a.ova"),
        lambda record: record["artifacts"][0].update(state="odd"),
        lambda record: record.pop("artifacts"),
        lambda record: record.update(artifacts=7),
        lambda record: record["artifacts"].append("x"),
    ],
)
def test_a_damaged_record_counts_for_nothing(
    change: Callable[[dict[str, object]], object], tmp_path: Path
) -> None:
    row = Row("specs/a.yaml", "ova", State.BUILT, "a.ova", "ab" * 32, 7, "20261123.0")
    record = json.loads(Summary("", 0.0, "", "", (row,)).text())
    (tmp_path / "summary.json").write_text(json.dumps(record))
    assert read_rows(tmp_path) == (row,)
    change(record)
    (tmp_path / "summary.json").write_text(json.dumps(record))
    assert read_rows(tmp_path) == ()


def test_the_first_failure_decides_the_exit_code() -> None:
    rows = [failure("a", "ova", HostError("full")), failure("b", "ova", BuilderError("x"))]
    good = Row("c", "ova", State.UNCHANGED, "c.ova")
    assert Summary("", 0.0, "", "", (good, *rows)).exit_code == 10
    assert Summary("", 0.0, "", "", (good,)).exit_code == 0


def test_every_problem_of_a_spec_is_in_its_row() -> None:
    place = Place(Path("specs/a.yaml"), 3, 5)
    error = SpecError((Diagnostic("one", "X001", place=place), Diagnostic("two", "X002")))
    assert failure("a", "", error).errors == ("specs/a.yaml:3:5: one", "two")


@pytest.mark.parametrize(
    "error",
    [
        SpecError((Diagnostic("one", "X001"), Diagnostic("two", "X002"))),
        SpecError((Diagnostic("odd", "X003", "so"),)),
        HostError("full", hint="make room"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_from_another_process_as_it_was(error: BuilderError) -> None:
    error.add_note("while building")
    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))
