"""Cards that stall, fail or go away while they are burned: what is said, and what is left."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.burn.devices import read_device
from builder.burn.order import Choices, Order, Verdict
from builder.burn.session import burn
from builder.burn.source import open_source
from builder.burn.system import System
from builder.formats.disk import MIB
from builder.progress import Advance, Silent
from tests.support.failing_cards import Served, served
from tests.support.judges import judge
from tests.support.loop_cards import LoopCard, card, require_loops, same

ROOM = 80 * MIB
GENTLER = "no answer for 2 s: asking for one thing at a time from now on"
CACHED = "no answer for 4 s: writing through the page cache from now on"
GIVEN_UP = "no answer for 6 s: giving it up"


@pytest.fixture(autouse=True)
def _loops() -> None:
    require_loops()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk that is full of noise."""
    path = tmp_path / "noisy.raw"
    path.write_bytes(os.urandom(64 * MIB))
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
    def count(self, text: str, total: int | None) -> Iterator[Advance]:
        yield lambda _: self.phase(f"a part of {total}: {text}")


def run(disk: Path, cards: list[LoopCard], progress: Watched, notes: Path) -> list[Verdict]:
    """Burn within this process, so that a minute can be a second."""
    orders = [Order(read_device(System(), each.name)) for each in cards]
    choices = Choices(probes=False, verifies=True, compares=False, blanks=True, notes=notes)
    with open_source(disk, progress) as image:
        return burn(image, orders, choices, progress)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.burn.patience.SECONDS", 2.0)


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize(
    ("when", "verified", "said"),
    [
        ("a part of", "direct", [GENTLER]),
        ("a part of", "buffered", [GENTLER, CACHED]),
        ("reading back", "buffered", [GENTLER, CACHED]),
    ],
)
def test_a_card_that_stalls_is_asked_more_gently_and_done(
    when: str, verified: str, said: list[str], disk: Path, tmp_path: Path
) -> None:
    with served(tmp_path, ROOM) as slow:
        progress = Watched()
        progress.then = {when: lambda: stall_once(slow, progress, when), said[-1]: slow.go_on}
        [verdict] = run(disk, [slow.card], progress, tmp_path)
        assert verdict.error is None
        told = [each for each in progress.said if "no answer" in each]
        assert told == [f"{slow.card.device}: {each}" for each in said]
        assert verdict.tally.verified == verified
        assert same(disk, slow.card)


def stall_once(slow: Served, progress: Watched, when: str) -> None:
    del progress.then[when]
    slow.stall()


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize("when", ["a part of", "reading back"])
def test_a_card_that_never_answers_is_given_up_and_the_other_is_done(
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
