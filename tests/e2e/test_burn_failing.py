"""Cards that stall, fail or go away while they are burned: what is said, and what is left."""

import errno
import os
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from builder.burn.devices import SystemRoot, read_device
from builder.burn.options import BurnOptions
from builder.burn.session import CardOrder, CardResult, write_cards
from builder.burn.source import open_source
from builder.formats.disk import GIB, MIB
from builder.progress import Advance, Silent
from tests.support.failing_cards import Served, fails, served
from tests.support.judges import judge
from tests.support.loop_cards import LoopCard, attach, card, command, require_loops, same
from tests.support.loop_cards import burn as burn_as_user
from tests.support.program import Bench

ROOM = 80 * MIB
GENTLER = "no answer for 2 s: one request at a time from now on"
CACHED = "no answer for 4 s: through the page cache from now on"
GIVEN_UP = "no answer for 6 s: giving up"


@pytest.fixture(autouse=True)
def _loops() -> None:
    require_loops()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return noisy(tmp_path, 64 * MIB)


def noisy(folder: Path, size: int) -> Path:
    """Make a disk that is full of noise."""
    path = folder / "noisy.raw"
    path.write_bytes(os.urandom(size))
    judge("sgdisk", "-o", "-n", "1:2048:0", path)
    return path


class Watched(Silent):
    """Progress that is kept, and lets things happen when a text is said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.then: dict[str, Callable[[], object]] = {}

    def phase(self, text: str) -> None:
        self.said.append(text)
        for part, act in list(self.then.items()):
            if part in text:
                act()

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
        del done
        yield lambda _: self.phase(f"a part of {total}: {text}")


def run(disk: Path, cards: list[LoopCard], progress: Watched, notes: Path) -> list[CardResult]:
    """Burn within this process, so that a minute can be a second."""
    orders = [CardOrder(read_device(SystemRoot(), each.name)) for each in cards]
    with open_source(disk, progress) as image:
        return write_cards(image, orders, BurnOptions(probe=False), notes, progress)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.burn.stall_guard.TIMEOUT_SECONDS", 2.0)


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize(
    ("when", "verified", "said"),
    [
        ("a part of", "direct", [GENTLER]),
        ("a part of", "buffered", [GENTLER, CACHED]),
        ("reading back", "buffered", [GENTLER, CACHED]),
    ],
)
def test_a_card_that_stalls_is_degraded_and_finished(
    when: str, verified: str, said: list[str], disk: Path, tmp_path: Path
) -> None:
    with served(tmp_path, ROOM) as slow:
        progress = Watched()
        progress.then = {when: lambda: stall_once(slow, progress, when), said[-1]: slow.go_on}
        [result] = run(disk, [slow.card], progress, tmp_path)
        assert result.error is None
        told = [each for each in progress.said if "no answer" in each]
        assert told == [f"{slow.card.device}: {each}" for each in said]
        assert result.stats.verified == verified
        assert same(disk, slow.card)


def stall_once(slow: Served, progress: Watched, when: str) -> None:
    del progress.then[when]
    slow.stall()


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize("when", ["a part of", "reading back"])
def test_a_card_that_never_answers_does_not_stop_the_other(
    when: str, disk: Path, tmp_path: Path
) -> None:
    with served(tmp_path, ROOM) as slow, card(tmp_path, ROOM, "good") as good:
        progress = Watched()
        progress.then = {when: lambda: stall_once(slow, progress, when)}
        bad, fine = run(disk, [slow.card, good], progress, tmp_path)
        slow.go_on()
        assert bad.error is not None
        assert "the device does not answer" in str(bad.error)
        assert bad.error.exit_code == 10
        told = [each.partition(": ")[2] for each in progress.said if "no answer" in each]
        assert told == [GENTLER, CACHED, GIVEN_UP]
        assert fine.error is None
        assert same(disk, good)
        assert slow.card.is_blank


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        (errno.EIO, "write", "the device fails, at 50 % of the device (byte 20971520)"),
        (errno.EIO, "read", "the device fails, at 50 % of the device (byte 20971520)"),
        (errno.ENOSPC, "write", "the device reports that it is full before its end"),
        (errno.ENODEV, "write", "was removed at 50 % of the device"),
        (errno.ENODEV, "read", "was removed at 50 % of the device"),
        (errno.ETIMEDOUT, "write", "the device does not answer"),
        (errno.ENODATA, "write", "the medium is damaged here"),
        (errno.EILSEQ, "write", "data were damaged in transfer"),
        (errno.ENOLINK, "write", "the connection to the device broke"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_each_error_of_the_kernel_has_its_message(
    code: int, kind: str, sentence: str, bench: Bench, tmp_path: Path
) -> None:
    with served(tmp_path, 40 * MIB, [fails(21 * MIB // 512, code, kind)]) as failing:
        done = burn_as_user(bench, noisy(tmp_path, 24 * MIB), failing.card)
        assert done.code == 10
        assert f"{failing.card.device}: {sentence}" in done.err
        assert failing.card.is_blank


@pytest.mark.parametrize("forgets", [True, False])
def test_a_large_card_is_probed_for_a_false_size(
    bench: Bench, tmp_path: Path, *, forgets: bool
) -> None:
    disk = noisy(tmp_path, 280 * MIB)
    with served(tmp_path, 9 * GIB, forgets=forgets) as large:
        done = burn_as_user(bench, disk, large.card)
        assert done.code == (12 if forgets else 0), done.err
        said = "reports 9.7 GB, but does not keep all that is written to it"
        assert (said in done.err) is forgets
        assert same(disk, large.card) is not forgets


def test_a_card_that_becomes_read_only_says_so(disk: Path, tmp_path: Path) -> None:
    with card(tmp_path, ROOM, "worn") as worn:
        progress = Watched()
        progress.then = {"a part of": lambda: judge("blockdev", "--setro", worn.device)}
        [result] = run(disk, [worn], progress, tmp_path)
        judge("blockdev", "--setrw", worn.device)
        assert "the device became read-only, as worn-out cards do, at " in str(result.error)
        assert worn.is_blank


def test_a_card_that_is_pulled_out_is_reported_as_removed(disk: Path, tmp_path: Path) -> None:
    with card(tmp_path, ROOM, "pulled") as pulled:

        def pull() -> None:
            os.truncate(pulled.backing, 0)
            judge("losetup", "--set-capacity", pulled.device)

        progress = Watched()
        progress.then = {"reading back": pull}  # nothing is written then that could be in between
        [result] = run(disk, [pulled], progress, tmp_path)
    assert f"{pulled.device}: was removed at " in str(result.error)
    assert result.error is not None
    assert result.error.hint == "insert it, and start again"


def read_until(stream: IO[str] | None, text: str) -> None:
    """Read lines until one has a text in it."""
    assert stream is not None
    assert any(text in line for line in iter(stream.readline, "")), f"{text!r} was not said"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_does_not_wait_for_a_stalled_card(
    how: signal.Signals, bench: Bench, tmp_path: Path
) -> None:
    disk = noisy(tmp_path, 160 * MIB)
    with served(tmp_path, 200 * MIB, rate=20 * MIB) as slow:  # else it is done before it is silent
        arguments = command(disk, slow.card, more=("--json",))
        going = subprocess.Popen(
            bench.command(*arguments), cwd=bench.directory, env=bench.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        rescue = threading.Timer(60, slow.go_on)  # else a failure would wait for ever
        rescue.start()
        try:
            read_until(going.stdout, "writing")
            slow.stall()
            time.sleep(0.5)
            going.send_signal(how)
            read_until(going.stderr, "interrupted: finishing the current requests")
            going.send_signal(how)
            read_until(going.stderr, "interrupted twice: ended at once")
        finally:
            rescue.cancel()
            slow.go_on()  # the kernel ends no thread that waits for a device
            out, err = going.communicate(timeout=30)
        assert going.returncode == 130
        assert "left blank" not in out + err
        assert slow.card.is_blank


LIAR = """
int fallocate64(int fd, int mode, long long offset, long long length) { return 0; }
int fallocate(int fd, int mode, long offset, long length) { return 0; }
"""

PARTITION = b"\0\0\2\0\x83\0\0\0" + struct.pack("<II", 2048, 65536)
MBR = bytes(446) + PARTITION + bytes(48) + b"\x55\xaa"


@pytest.mark.parametrize("content", [b"\xee", b"\0"], ids=["full", "empty but for a trace"])
def test_a_card_that_only_pretends_to_zero_is_zeroed_by_writing(
    content: bytes, bench: Bench, tmp_path: Path
) -> None:
    require_loops()
    (tmp_path / "liar.c").write_text(LIAR)
    judge("cc", "-shared", "-fPIC", "-o", tmp_path / "liar.so", tmp_path / "liar.c")
    size, image, backing = 96 * MIB, tmp_path / "disk.img", tmp_path / "backing"
    with image.open("wb") as stream:
        stream.write(MBR + b"data" * MIB)
        stream.truncate(size)
    with backing.open("wb") as stream:
        stream.write(content * (size + 8 * MIB))
        stream.seek(77 * MIB + 12345)
        stream.write(b"a trace of what was there before")
    with attach(backing) as attached:
        arguments = command(image, attached)
        done = bench.run(*arguments, LD_PRELOAD=str(tmp_path / "liar.so"))
        assert done.code == 0, done.err
        assert "ranges differ; writing again" in done.err
        assert same(image, attached)
