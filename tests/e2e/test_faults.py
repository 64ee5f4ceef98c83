"""Disks that are full, broken or slow to give: the same bytes, or a sentence that says where."""

from pathlib import Path

import pytest

from builder.artifact import digest_of
from tests.support.faults import Faults, make_faults
from tests.support.program import Bench, files_below

SPEC = """\
version: 1
name: lab
target: {target}
base: {{sample: true}}
{more}overlay: {{hostname: lab}}
"""
TARGETS = {"ova": "", "gce": "", "iso": "install: {disk: /dev/sda}\n"}
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """The library that makes system calls fail."""
    return make_faults(tmp_path_factory.mktemp("faults"))


def spec_of(bench: Bench, target: str) -> Path:
    """Write a spec for a target."""
    text = SPEC.format(target=target, more=TARGETS[target])
    return bench.write("specs/lab.yaml", text)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("calls", ["read", "write", "copy"])
def test_a_disk_that_gives_and_takes_by_halves_changes_nothing(
    target: str, calls: str, faults: Faults, bench: Bench
) -> None:
    """In front of a bad sector a read is short, and says so when the rest is asked for."""
    spec = spec_of(bench, target)
    wanted = digest_of(bench.build(spec, **EPOCH))
    done = faults.run(bench, "build", spec, "--force", calls=calls, what="short")
    assert done.code == 0, done.err
    assert digest_of(bench.directory / done.out.strip()) == wanted


@pytest.mark.parametrize("calls", ["write", "truncate", "create", "link", "rename", "meta"])
@pytest.mark.parametrize("target", TARGETS)
def test_no_room_anywhere_says_where_and_keeps_the_last_artifact(
    target: str, calls: str, faults: Faults, bench: Bench
) -> None:
    spec = spec_of(bench, target)
    bench.build(spec, **EPOCH)
    before = files_below(bench.output)
    spec.write_text(spec.read_text().replace("hostname: lab", "hostname: other"))
    done = faults.run(bench, "build", spec, calls=calls, what="ENOSPC")
    assert done.code == 10, done.err
    assert "there is no room left on its filesystem" in done.err
    sentence = next(line for line in done.err.splitlines() if line.startswith("error["))
    assert "output" in sentence
    assert files_below(bench.output) == before
    assert list((bench.directory / "tmp").iterdir()) == []


def test_a_night_on_a_full_disk_names_the_file(faults: Faults, bench: Bench) -> None:
    spec_of(bench, "ova")
    done = faults.run(bench, "nightly", calls="fsync", what="ENOSPC")
    assert done.code == 10, done.err
    assert "SHA256SUMS: there is no room left on its filesystem" in done.err


def test_an_image_that_is_unpacked_onto_a_full_disk_names_the_folder(
    faults: Faults, bench: Bench
) -> None:
    packed = bench.build(spec_of(bench, "gce"), **EPOCH)
    for calls in ("write", "truncate", "create"):
        done = faults.run(
            bench, "burn", packed, "--to-file", "out/card.raw", calls=calls, what="ENOSPC"
        )
        assert done.code == 10, done.err
        assert "/out: there is no room left on its filesystem" in done.err
        assert files_below(bench.directory / "out") == {}


@pytest.mark.parametrize("signal", ["SIG2", "SIG15"])
def test_an_interrupt_at_any_new_file_leaves_nothing_in_the_folder_for_temporary_files(
    signal: str, faults: Faults, bench: Bench
) -> None:
    """The first build also makes the sample, in a temporary file."""
    spec = spec_of(bench, "iso")
    for number in range(1, 20):
        done = faults.run(
            bench, "build", spec, calls="create", what=signal, at=number, sticky=False,
            PHOTON_BUILDER_CACHE=str(bench.directory / f"cache{number}"),
        )  # fmt: skip
        assert list((bench.directory / "tmp").iterdir()) == []
        if not done.code:
            break
        assert done.code == 130, done.err
        assert [path.name for path in bench.output.glob("*")] == []
    assert number > 3
