"""Digests of files that grow, beside those of the standard library."""

import hashlib
import random
import threading
from pathlib import Path

import pytest

from builder.digests import ALGORITHMS, PIECE, FollowingDigests, digest_file
from builder.errors import HostError

CONTENT = random.Random(3).randbytes(3 * PIECE + 77)
WANTED = {name: hashlib.new(name, CONTENT).hexdigest() for name in ALGORITHMS}


def running() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("digest-")]


@pytest.mark.parametrize("step", [1009, PIECE, 2 * PIECE])
def test_a_file_is_digested_while_it_grows(tmp_path: Path, step: int) -> None:
    path = tmp_path / "growing"
    with path.open("wb", buffering=0) as out:
        trail = FollowingDigests(path, ALGORITHMS)
        for start in range(0, len(CONTENT), step):
            out.write(CONTENT[start : start + step])
            trail.reach(out.tell())
    assert trail.finish() == WANTED
    assert running() == []


def test_only_what_is_said_to_be_there_counts(tmp_path: Path) -> None:
    path = tmp_path / "longer"
    path.write_bytes(CONTENT + b"not yet")
    trail = FollowingDigests(path, ["md5"])
    trail.reach(len(CONTENT))
    assert trail.finish() == {"md5": WANTED["md5"]}


def test_a_file_that_is_cut_short_is_said(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(CONTENT)
    trail = FollowingDigests(path, ["sha256", "sha1"])
    trail.reach(len(CONTENT) + 1)
    with pytest.raises(OSError, match=f"ends at byte {len(CONTENT)} of {len(CONTENT) + 1}"):
        trail.finish()
    assert running() == []


def test_what_is_dropped_ends_at_once(tmp_path: Path) -> None:
    path = tmp_path / "dropped"
    path.write_bytes(CONTENT)
    trail = FollowingDigests(path, ALGORITHMS)
    assert len(running()) == len(ALGORITHMS)
    trail.drop()
    assert running() == []


def test_a_file_that_lies_there_is_digested(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert digest_file(path, ALGORITHMS) == (len(CONTENT), WANTED)
    with pytest.raises(HostError, match="no such file"):
        digest_file(tmp_path / "none", ["md5"])
    assert running() == []
