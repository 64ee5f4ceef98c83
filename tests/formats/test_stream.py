"""Files written from segments and digested behind the writer."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.errors import FormatError, HostError
from builder.formats.disk import MIB
from builder.formats.stream import (
    BackgroundDigest,
    RangeDigest,
    Segment,
    Span,
    allocate,
    digest_file,
    write_segments,
)

CONTENT = os.urandom(5 * MIB + 12345)
_FULL = Path("/dev/full")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def out(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "source").write_bytes(CONTENT)
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    yield fd
    os.close(fd)


@contextmanager
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_segments_become_one_file_and_its_digests(out: int, source: int, tmp_path: Path) -> None:
    segments: Sequence[Segment] = (
        b"head",
        Span(source, 100, 3 * MIB),
        b"",
        Span(source, 0, 0),
        CONTENT,
        Span(source, 7, 9),
    )
    wanted = b"head" + CONTENT[100 : 100 + 3 * MIB] + CONTENT + CONTENT[7:16]
    middle, whole = RangeDigest("sha256", 5, 4 * MIB), RangeDigest("sha512")
    told: list[int] = []
    with no_thread_stays():
        assert write_segments(out, segments, (middle, whole), told.append) == len(wanted)
    assert (tmp_path / "out").read_bytes() == wanted
    assert middle.hexdigest() == sha256(wanted[5 : 5 + 4 * MIB])
    assert whole.hexdigest() == hashlib.sha512(wanted).hexdigest()
    assert sum(told) == len(wanted)
    assert max(told) <= MIB


def test_a_later_segment_may_hold_the_digest_of_an_earlier_one(
    out: int, source: int, tmp_path: Path
) -> None:
    disk, whole = RangeDigest("sha1", 4, len(CONTENT)), RangeDigest("sha256")

    def segments() -> Iterator[Segment]:
        yield b"head"
        yield Span(source, 0, len(CONTENT))
        yield disk.hexdigest().encode()

    write_segments(out, segments(), (disk, whole))
    wanted = b"head" + CONTENT + hashlib.sha1(CONTENT).hexdigest().encode()
    assert (tmp_path / "out").read_bytes() == wanted
    assert whole.hexdigest() == sha256(wanted)


@pytest.mark.parametrize("length", [None, 5], ids=["to the end", "one byte too long"])
def test_asking_for_what_is_not_written_yet_is_no_deadlock(out: int, length: int | None) -> None:
    digest = RangeDigest("sha256", 0, length)

    def segments() -> Iterator[Segment]:
        yield b"head"
        yield digest.hexdigest().encode()

    with no_thread_stays(), pytest.raises(ValueError, match="not all written yet"):
        write_segments(out, segments(), [digest])


def test_a_digest_that_follows_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="does not follow a file"):
        RangeDigest("sha256").hexdigest()


def test_a_range_beyond_the_end_has_no_digest(out: int) -> None:
    digest = RangeDigest("sha256", 2, 10)
    write_segments(out, [b"short"], [digest])
    with pytest.raises(ValueError, match="ended at byte 5"):
        digest.hexdigest()


def test_an_empty_file_has_the_digest_of_nothing(out: int) -> None:
    digests = RangeDigest("sha256"), RangeDigest("sha256", 0, 0)
    assert write_segments(out, (), digests) == 0
    assert {digest.hexdigest() for digest in digests} == {sha256(b"")}


def test_the_file_ends_where_the_segments_do(out: int) -> None:
    os.pwrite(out, b"x" * 100, 0)
    allocate(out, 50)
    assert os.fstat(out).st_size == 50
    write_segments(out, [b"new"])
    assert os.pread(out, 100, 0) == b"new"


def test_a_source_that_shrank_is_named_by_its_offset(out: int, source: int) -> None:
    with no_thread_stays(), pytest.raises(FormatError, match=f"ends at byte {len(CONTENT)}"):
        write_segments(out, [Span(source, MIB, len(CONTENT))], [RangeDigest("sha256")])


@pytest.mark.parametrize("error", [KeyboardInterrupt, FormatError("damaged")])
def test_what_interrupts_the_segments_ends_the_threads(
    out: int, error: type[BaseException] | BaseException
) -> None:
    digest = RangeDigest("sha256")

    def segments() -> Iterator[Segment]:
        yield CONTENT
        raise error

    kind = error if isinstance(error, type) else type(error)
    with no_thread_stays(), pytest.raises(kind):
        write_segments(out, segments(), [digest])
    with pytest.raises(ValueError, match="ended at byte"):
        digest.hexdigest()


@pytest.mark.skipif(not _FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_says_what_to_do() -> None:
    fd = os.open(_FULL, os.O_RDWR)
    try:
        with no_thread_stays(), pytest.raises(HostError, match="no room left") as caught:
            write_segments(fd, [b"x"], [RangeDigest("sha256")])
    finally:
        os.close(fd)
    assert "make room" in caught.value.hint


def test_what_cannot_be_read_back_has_no_digest(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    digest = RangeDigest("sha256")
    try:
        with no_thread_stays(), pytest.raises(HostError, match="reading back"):
            write_segments(fd, [b"x"], [digest])
    finally:
        os.close(fd)
    with pytest.raises(HostError, match="reading back"):
        digest.hexdigest()


def test_a_source_that_cannot_be_read_is_an_error_of_the_host(out: int, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(HostError, match="it is a folder; wanted a file"):
            write_segments(out, [Span(fd, 0, 5)])
    finally:
        os.close(fd)


def test_an_allocated_file_has_its_size(out: int) -> None:
    for size in (0, 3 * MIB, 10):
        allocate(out, size)
        assert os.fstat(out).st_size == size


def test_room_that_no_disk_has_is_refused(out: int) -> None:
    with pytest.raises(HostError, match=r"allocating \d+ bytes"):
        allocate(out, (1 << 63) - 1)


def test_a_file_is_read_once_for_all_digests(source: int, tmp_path: Path) -> None:
    os.lseek(source, 5, os.SEEK_SET)
    wanted = {"sha256": sha256(CONTENT), "md5": hashlib.md5(CONTENT).hexdigest()}
    assert digest_file(source, ("sha256", "md5")) == wanted
    assert os.lseek(source, 0, os.SEEK_CUR) == 5
    assert digest_file(tmp_path / "source", ("sha256", "md5")) == wanted


def test_a_digest_in_the_background_is_that_of_the_file(source: int, tmp_path: Path) -> None:
    del source
    digest = BackgroundDigest(tmp_path / "source", "sha512")
    assert digest.hexdigest() == hashlib.sha512(CONTENT).hexdigest()
    assert digest.hexdigest() == hashlib.sha512(CONTENT).hexdigest()


def test_a_digest_in_the_background_can_be_given_up(source: int, tmp_path: Path) -> None:
    del source
    with no_thread_stays():
        digest = BackgroundDigest(tmp_path / "source", "sha512")
        digest.stop()
    with pytest.raises(ValueError, match="given up"):
        digest.hexdigest()


def test_a_file_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="absent: no such file"):
        BackgroundDigest(tmp_path / "absent", "sha256")
    with pytest.raises(HostError, match="absent: no such file"):
        digest_file(tmp_path / "absent", ["sha256"])


def test_a_directory_is_an_error_when_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="it is a folder"):
        BackgroundDigest(tmp_path, "sha256").hexdigest()
