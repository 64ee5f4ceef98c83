"""One card written, read back and repaired; the card is a file, which the kernel treats alike."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.burn.card import Card
from builder.burn.chunks import Chunk, Gap, Pool, iter_tasks
from builder.burn.devices import Device
from builder.burn.overlay import Overlay
from builder.burn.proof import check_ranges
from builder.burn.spread import Lane, spread
from builder.burn.writer import Manner, Writer
from builder.errors import HostError
from builder.formats.disk import KIB, MIB
from builder.structs import replace
from tests.support.machines import Machine, stick

SIZE = 24 * MIB
NOISE = random.Random(5).randbytes(4 * MIB)
IMAGE = [(0, NOISE[:MIB]), (MIB, NOISE[: 3 * MIB]), (12 * MIB, NOISE[: 2 * MIB])]
GAP = 8 * MIB


@pytest.fixture
def device(tmp_path: Path) -> Device:
    machine = Machine(tmp_path / "machine")
    stick(machine)
    path = tmp_path / "card"
    path.write_bytes(b"old " * (SIZE // 4))
    return replace(machine.device("sdb"), name=str(path), size=SIZE)


@pytest.fixture
def card(device: Device) -> Iterator[Card]:
    fd = os.open(device.path, os.O_RDWR)
    yield Card(device, fd, is_direct=True)
    os.close(fd)


def content(card: Card) -> bytes:
    return card.device.path.read_bytes()


def expected() -> bytes:
    """What the card is like when everything but its first MiB is true, the rest as it was."""
    disk = bytearray(20 * MIB)
    for offset, data in IMAGE[1:]:
        disk[offset : offset + len(data)] = data
    return bytes(disk) + b"old " * (3 * MIB // 4) + bytes(MIB)


def take(writer: Writer, only: int | None = None) -> None:
    for task in iter_tasks(iter(IMAGE), 20 * MIB, Pool(2)):
        if only is None or task.offset <= only < task.end:
            writer.take(task)
        if isinstance(task, Chunk):
            task.release()


def test_both_ends_are_wiped_first(card: Card) -> None:
    Writer(card, Manner(), Overlay()).wipe()
    found = content(card)
    assert found[:MIB] == found[-MIB:] == bytes(MIB)
    assert found[MIB:-MIB] == b"old " * ((SIZE - 2 * MIB) // 4)


@pytest.mark.parametrize("is_direct", [True, False])
def test_the_first_mib_comes_last(card: Card, *, is_direct: bool) -> None:
    card.is_direct = is_direct
    writer = Writer(card, Manner(), Overlay())
    writer.wipe()
    take(writer)
    assert content(card) == expected()
    writer.finish()
    assert content(card) == IMAGE[0][1] + expected()[MIB:]


@pytest.mark.parametrize("punches", [True, False])
def test_what_the_image_leaves_empty_is_emptied(card: Card, *, punches: bool) -> None:
    card.offloads_zeros = punches
    os.pwrite(card.fd, bytes(4 * MIB), GAP)
    writer = Writer(card, Manner(), Overlay())
    writer.wipe()
    take(writer)
    assert content(card) == expected()
    emptied = writer.tally.written - 5 * MIB
    assert emptied == (0 if punches else 10 * MIB), "what was empty was written, too"


@pytest.mark.parametrize("rest", [300, 512, 4096 + 1])
@pytest.mark.parametrize("punches", [True, False])
def test_the_last_sector_of_an_image_that_ends_within_one_is_emptied_too(
    card: Card, rest: int, *, punches: bool
) -> None:
    card.offloads_zeros = punches
    writer = Writer(card, Manner(), Overlay())
    size = 20 * MIB + rest
    for task in iter_tasks(iter(IMAGE), size, Pool(2)):
        writer.take(task)
        task.release()
    assert content(card)[14 * MIB : size] == bytes(size - 14 * MIB)
    rounded = -(-size // 512) * 512
    assert content(card)[rounded : rounded + 4] == b"old ", "more was emptied than that"


def test_what_only_this_card_has_in_an_empty_run_is_no_difference(card: Card) -> None:
    own = Overlay({GAP: b"a" * 4096, GAP + 60 * KIB: b"b" * 8192, 11 * MIB + MIB - 4096: b"c"})
    for punches in (True, False):
        card.offloads_zeros = punches
        writer = Writer(card, Manner(), own)
        take(writer)
        check_ranges(writer)
        assert writer.differing == {}


def test_what_the_image_leaves_empty_is_left_alone_when_that_is_wanted(card: Card) -> None:
    take(Writer(card, Manner(blanks=False), Overlay()))
    assert content(card)[GAP : GAP + MIB] == b"old " * (MIB // 4)


@pytest.mark.parametrize("place", [MIB + 5, 4 * MIB - 1, 13 * MIB])
def test_one_wrong_byte_is_found_and_put_right(card: Card, place: int) -> None:
    writer = Writer(card, Manner(), Overlay())
    writer.wipe()
    take(writer)

    def look(only: set[int] | None = None) -> dict[int, int]:
        writer.differing.clear()
        check_ranges(writer, only)
        return dict(writer.differing)

    assert look() == {}
    os.pwrite(card.fd, bytes([content(card)[place] ^ 1]), place)
    start, length = (MIB, 3 * MIB) if place < 4 * MIB else (12 * MIB, 2 * MIB)
    assert look() == look({start}) == {start: length}
    assert look({start + 1}) == {}
    take(writer, start)
    assert look() == {}


def test_what_is_there_already_is_not_written_again(card: Card) -> None:
    take(Writer(card, Manner(), Overlay()))
    again = Writer(card, Manner(compare_below=12 * MIB), Overlay())
    take(again)
    assert (again.tally.kept, again.tally.written) == (3 * MIB, 2 * MIB)
    os.pwrite(card.fd, b"!", 2 * MIB)
    third = Writer(card, Manner(compare_below=SIZE), Overlay())
    take(third)
    assert (third.tally.kept, third.tally.written) == (2 * MIB, 3 * MIB)


def test_a_card_has_blocks_of_its_own_in_data_in_gaps_and_in_the_first_mib(card: Card) -> None:
    own = {0: b"H" * 4096, 2 * MIB: b"D" * 4096, GAP + 64 * KIB: b"G" * 4096}
    writer = Writer(card, Manner(), Overlay(own))
    writer.wipe()
    take(writer)
    check_ranges(writer)
    assert writer.differing == {}
    os.pwrite(card.fd, b"g", GAP + 64 * KIB)
    check_ranges(writer)
    assert writer.differing == {GAP + 64 * KIB: 4096}
    take(writer)
    writer.finish()
    wanted = bytearray(IMAGE[0][1] + expected()[MIB:])
    for offset, block in own.items():
        wanted[offset : offset + 4096] = block
    assert content(card) == wanted


def test_several_cards_share_one_reading(card: Card, device: Device, tmp_path: Path) -> None:
    other = replace(device, name=str(tmp_path / "other"))
    other.path.write_bytes(b"new " * (SIZE // 4))
    fd = os.open(other.path, os.O_RDWR)
    reads = []

    def runs() -> Iterator[tuple[int, bytes]]:
        for offset, data in IMAGE:
            reads.append(offset)
            yield offset, data

    try:
        writers = [
            Writer(card, Manner(), Overlay()) for card in (card, Card(other, fd, is_direct=True))
        ]
        for writer in writers:
            writer.wipe()
        lanes = [Lane(writer) for writer in writers]
        spread(iter_tasks(runs(), 20 * MIB, Pool(3)), lanes, writers[0].stopped)
    finally:
        os.close(fd)
    assert len(reads) == len(IMAGE)
    assert content(card)[: 20 * MIB] == other.path.read_bytes()[: 20 * MIB]
    assert [lane.position for lane in lanes] == [20 * MIB, 20 * MIB]


def test_each_of_several_cards_is_compared_with_what_it_was_meant_to_hold(
    card: Card, device: Device, tmp_path: Path
) -> None:
    # The third ends within the last run, the second has a block of its own in the first.
    small = replace(device, name=str(tmp_path / "small"), size=13 * MIB)
    own = replace(device, name=str(tmp_path / "own"))
    with ExitStack() as stack:
        cards = [card]
        for each in (own, small):
            each.path.write_bytes(bytes(each.size))
            fd = os.open(each.path, os.O_RDWR)
            stack.callback(os.close, fd)
            cards.append(Card(each, fd, is_direct=True))
        overlays = [Overlay(), Overlay({2 * MIB: b"D" * 4096}), Overlay()]
        writers = [
            Writer(each, Manner(), overlay) for each, overlay in zip(cards, overlays, strict=True)
        ]
        tasks = iter_tasks(iter(IMAGE), 20 * MIB, Pool(3), sums=True)
        spread(tasks, [Lane(writer) for writer in writers], writers[0].stopped)
        for writer in writers:
            check_ranges(writer)
            assert writer.differing == {}
        for writer, place, length in zip(
            writers, (5 * MIB // 2, 5 * MIB // 2, 13 * MIB - 1), (3, 3, 1), strict=True
        ):
            os.pwrite(writer.card.fd, b"?!", place)
            check_ranges(writer)
            assert list(writer.differing.values()) == [length * MIB]


def test_a_card_that_refuses_is_given_up_and_the_other_is_done(
    card: Card, device: Device, tmp_path: Path
) -> None:
    other = replace(device, name=str(tmp_path / "other"))
    other.path.write_bytes(bytes(SIZE))
    fd = os.open(other.path, os.O_RDONLY)
    try:
        good, bad = (
            Lane(Writer(each, Manner(), Overlay()))
            for each in (card, Card(other, fd, is_direct=True))
        )
        spread(iter_tasks(iter(IMAGE), 20 * MIB, Pool(2)), [bad, good], good.writer.stopped)
    finally:
        os.close(fd)
    assert isinstance(bad.failure, HostError)
    assert "% of the device (byte" in str(bad.failure)
    assert good.failure is None
    assert content(card)[MIB : 20 * MIB] == expected()[MIB : 20 * MIB]


def test_an_image_that_breaks_off_stops_the_cards(card: Card) -> None:
    def runs() -> Iterator[tuple[int, bytes]]:
        yield IMAGE[0]
        raise HostError("the image is gone")

    lane = Lane(Writer(card, Manner(), Overlay()))
    with pytest.raises(HostError, match="the image is gone"):
        spread(iter_tasks(runs(), 20 * MIB, Pool(2)), [lane], lane.writer.stopped)
    assert lane.writer.stopped.is_set()


def test_a_card_that_is_silent_twice_is_written_through_the_page_cache(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.burn.patience.SECONDS", 0.1)
    fd = os.open(device.path, os.O_RDWR | os.O_DIRECT)
    try:
        card = Card(device, fd, is_direct=True)
        with card.reader() as reading:
            with pytest.raises(OSError, match="Invalid argument"):
                os.pwrite(fd, b"unaligned", 1)
            card.patience.ask(lambda: time.sleep(0.25))
            os.pwrite(fd, b"unaligned", 1)
            assert os.pread(reading, 9, 1) == b"unaligned"
        assert not card.is_direct
        assert not card.is_read_direct
        card.patience.end()
    finally:
        os.close(fd)


def test_a_gap_over_the_end_of_the_first_mib_keeps_that_for_later(card: Card) -> None:
    writer = Writer(card, Manner(), Overlay({512 * KIB: b"O" * 4096}))
    writer.take(Gap(0, 2 * MIB))
    found = content(card)
    assert found[:MIB] == b"old " * (MIB // 4)
    assert found[MIB : 2 * MIB] == bytes(MIB)
    writer.finish()
    assert content(card)[512 * KIB : 516 * KIB] == b"O" * 4096
    assert content(card)[: 512 * KIB] == bytes(512 * KIB)
