"""Publishing: nothing half-made is ever seen, whatever happens to the process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.artifact import stage, write_sums
from builder.errors import HostError
from tests.support.judges import judge

WRITER = """
import sys, time, os
from pathlib import Path
from builder.artifact import stage
with stage(Path(sys.argv[1])) as staging:
    os.write(staging.fd, b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_published_file_has_its_content_mode_and_time(tmp_path: Path) -> None:
    with stage(tmp_path / "new") as staging:
        os.write(staging.fd, b"whole")
        assert staging.path.read_bytes() == b"whole"
        staging.publish(tmp_path / "new" / "a.ova", mtime=1_600_000_000)
    status = (tmp_path / "new" / "a.ova").stat()
    assert (status.st_size, status.st_mode & 0o777, status.st_mtime) == (5, 0o644, 1_600_000_000)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.ova"]


def test_a_file_that_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), stage(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(number)
        process.wait(10)
    assert list(tmp_path.iterdir()) == []


def test_stale_files_of_systems_without_nameless_ones_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".photon-builder-stale").write_text("half")
    with stage(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_replacing_keeps_the_old_file_readable(tmp_path: Path) -> None:
    final = tmp_path / "a.ova"
    final.write_text("old")
    with final.open() as reader, stage(tmp_path) as staging:
        os.write(staging.fd, b"new")
        staging.publish(final, mtime=int(time.time()))
        assert reader.read() == "old"
    assert final.read_text() == "new"


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("")
    with pytest.raises(HostError, match="output"), stage(tmp_path / "output"):
        pass


def test_the_lines_of_others_stay_as_they_are_whatever_ends_them(tmp_path: Path) -> None:
    others = [
        f"{'1' * 64}  one\r",
        f"{'2' * 64}  form\x0cfeed",
        "# a comment\x0b",
        f"{'3' * 64} *\u2028",
    ]
    (tmp_path / "SHA256SUMS").write_text("\n".join(others) + "\n", newline="")
    write_sums(tmp_path / "ours.ova", "0" * 64)
    found = (tmp_path / "SHA256SUMS").read_bytes().decode().split("\n")
    assert {*found} == {*others, f"{'0' * 64}  ours.ova", ""}


def test_sums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    import hashlib

    for name in ("b.ova", "a.ova", "b.ova"):
        (tmp_path / name).write_text(f"content of {name}")
        write_sums(tmp_path / name, hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    run = judge("sh", "-c", f"cd '{tmp_path}' && sha256sum --strict --check SHA256SUMS")
    assert run.stdout == "a.ova: OK\nb.ova: OK\n"
