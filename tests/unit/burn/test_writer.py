"""One card written, read back and repaired; the card is a file, which the kernel treats alike."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.burn.card import Card
from builder.burn.chunks import BlockPatches, BufferPool, Chunk, Gap, iter_parts
from builder.burn.devices import Device
from builder.burn.fan_out import CardWorker, fan_out
from builder.burn.read_back import read_back
from builder.burn.writer import CardWriter, WriteMode
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


def take(writer: CardWriter, only: int | None = None) -> None:
    for part in iter_parts(iter(IMAGE), 20 * MIB, BufferPool(2)):
        if only is None or part.offset <= only < part.end:
            writer.write_part(part)
        if isinstance(part, Chunk):
            part.release()


def test_both_ends_are_wiped_first(card: Card) -> None:
    CardWriter(card, WriteMode(), BlockPatches()).wipe()
    found = content(card)
    assert found[:MIB] == found[-MIB:] == bytes(MIB)
    assert found[MIB:-MIB] == b"old " * ((SIZE - 2 * MIB) // 4)


@pytest.mark.parametrize("is_direct", [True, False])
def test_the_first_mib_is_written_last(card: Card, *, is_direct: bool) -> None:
    card.is_direct = is_direct
    writer = CardWriter(card, WriteMode(), BlockPatches())
    writer.wipe()
    take(writer)
    assert content(card) == expected()
    writer.finish()
    assert content(card) == IMAGE[0][1] + expected()[MIB:]


@pytest.mark.parametrize("punches", [True, False])
def test_gaps_of_the_image_are_zeroed(card: Card, *, punches: bool) -> None:
    card.offloads_zeros = punches
    os.pwrite(card.fd, bytes(4 * MIB), GAP)
    writer = CardWriter(card, WriteMode(), BlockPatches())
    writer.wipe()
    take(writer)
    assert content(card) == expected()
    emptied = writer.stats.written - 5 * MIB
    assert emptied == (0 if punches else 10 * MIB), "what was empty was written, too"


@pytest.mark.parametrize("rest", [300, 512, 4096 + 1])
@pytest.mark.parametrize("punches", [True, False])
def test_the_last_sector_is_zeroed_when_the_image_ends_within_it(
    card: Card, rest: int, *, punches: bool
) -> None:
    card.offloads_zeros = punches
    writer = CardWriter(card, WriteMode(), BlockPatches())
    size = 20 * MIB + rest
    for part in iter_parts(iter(IMAGE), size, BufferPool(2)):
        writer.write_part(part)
        part.release()
    assert content(card)[14 * MIB : size] == bytes(size - 14 * MIB)
    rounded = -(-size // 512) * 512
    assert content(card)[rounded : rounded + 4] == b"old ", "more was emptied than that"


def test_patches_in_a_gap_are_not_differences(card: Card) -> None:
    own = BlockPatches({GAP: b"a" * 4096, GAP + 60 * KIB: b"b" * 8192, 11 * MIB + MIB - 4096: b"c"})
    for punches in (True, False):
        card.offloads_zeros = punches
        writer = CardWriter(card, WriteMode(), own)
        take(writer)
        read_back(writer)
        assert writer.differing == {}


def test_no_blank_leaves_gaps_as_they_are(card: Card) -> None:
    take(CardWriter(card, WriteMode(blanks=False), BlockPatches()))
    assert content(card)[GAP : GAP + MIB] == b"old " * (MIB // 4)


@pytest.mark.parametrize("place", [MIB + 5, 4 * MIB - 1, 13 * MIB])
def test_one_wrong_byte_is_found_and_rewritten(card: Card, place: int) -> None:
    writer = CardWriter(card, WriteMode(), BlockPatches())
    writer.wipe()
    take(writer)

    def look(only: set[int] | None = None) -> dict[int, int]:
        writer.differing.clear()
        read_back(writer, only)
        return dict(writer.differing)

    assert look() == {}
    os.pwrite(card.fd, bytes([content(card)[place] ^ 1]), place)
    start, length = (MIB, 3 * MIB) if place < 4 * MIB else (12 * MIB, 2 * MIB)
    assert look() == look({start}) == {start: length}
    assert look({start + 1}) == {}
    take(writer, start)
    assert look() == {}


def test_data_that_is_there_already_is_not_written_again(card: Card) -> None:
    take(CardWriter(card, WriteMode(), BlockPatches()))
    again = CardWriter(card, WriteMode(compare_below=12 * MIB), BlockPatches())
    take(again)
    assert (again.stats.kept, again.stats.written) == (3 * MIB, 2 * MIB)
    os.pwrite(card.fd, b"!", 2 * MIB)
    third = CardWriter(card, WriteMode(compare_below=SIZE), BlockPatches())
    take(third)
    assert (third.stats.kept, third.stats.written) == (2 * MIB, 3 * MIB)


def test_patches_apply_to_data_to_gaps_and_to_the_first_mib(card: Card) -> None:
    own = {0: b"H" * 4096, 2 * MIB: b"D" * 4096, GAP + 64 * KIB: b"G" * 4096}
    writer = CardWriter(card, WriteMode(), BlockPatches(own))
    writer.wipe()
    take(writer)
    read_back(writer)
    assert writer.differing == {}
    os.pwrite(card.fd, b"g", GAP + 64 * KIB)
    read_back(writer)
    assert writer.differing == {GAP + 64 * KIB: 4096}
    take(writer)
    writer.finish()
    wanted = bytearray(IMAGE[0][1] + expected()[MIB:])
    for offset, block in own.items():
        wanted[offset : offset + 4096] = block
    assert content(card) == wanted


def test_several_cards_read_the_image_once(card: Card, device: Device, tmp_path: Path) -> None:
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
            CardWriter(card, WriteMode(), BlockPatches())
            for card in (card, Card(other, fd, is_direct=True))
        ]
        for writer in writers:
            writer.wipe()
        workers = [CardWorker(writer) for writer in writers]
        fan_out(iter_parts(runs(), 20 * MIB, BufferPool(3)), workers, writers[0].stopped)
    finally:
        os.close(fd)
    assert len(reads) == len(IMAGE)
    assert content(card)[: 20 * MIB] == other.path.read_bytes()[: 20 * MIB]
    assert [writer.position for writer in writers] == [20 * MIB, 20 * MIB]


def test_each_of_several_cards_is_verified_against_its_own_content(
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
        patchess = [BlockPatches(), BlockPatches({2 * MIB: b"D" * 4096}), BlockPatches()]
        writers = [
            CardWriter(each, WriteMode(), patches)
            for each, patches in zip(cards, patchess, strict=True)
        ]
        parts = iter_parts(iter(IMAGE), 20 * MIB, BufferPool(3), checksums=True)
        fan_out(parts, [CardWorker(writer) for writer in writers], writers[0].stopped)
        for writer in writers:
            read_back(writer)
            assert writer.differing == {}
        for writer, place, length in zip(
            writers, (5 * MIB // 2, 5 * MIB // 2, 13 * MIB - 1), (3, 3, 1), strict=True
        ):
            os.pwrite(writer.card.fd, b"?!", place)
            read_back(writer)
            assert list(writer.differing.values()) == [length * MIB]


def test_a_card_that_fails_does_not_stop_the_other(
    card: Card, device: Device, tmp_path: Path
) -> None:
    other = replace(device, name=str(tmp_path / "other"))
    other.path.write_bytes(bytes(SIZE))
    fd = os.open(other.path, os.O_RDONLY)
    try:
        good, bad = (
            CardWorker(CardWriter(each, WriteMode(), BlockPatches()))
            for each in (card, Card(other, fd, is_direct=True))
        )
        fan_out(iter_parts(iter(IMAGE), 20 * MIB, BufferPool(2)), [bad, good], good.writer.stopped)
    finally:
        os.close(fd)
    assert isinstance(bad.writer.failure, HostError)
    assert "% of the device (byte" in str(bad.writer.failure)
    assert good.writer.failure is None
    assert content(card)[MIB : 20 * MIB] == expected()[MIB : 20 * MIB]


def test_an_image_that_cannot_be_read_to_its_end_stops_the_cards(card: Card) -> None:
    def runs() -> Iterator[tuple[int, bytes]]:
        yield IMAGE[0]
        raise HostError("the image is gone")

    worker = CardWorker(CardWriter(card, WriteMode(), BlockPatches()))
    with pytest.raises(HostError, match="the image is gone"):
        fan_out(iter_parts(runs(), 20 * MIB, BufferPool(2)), [worker], worker.writer.stopped)
    assert worker.writer.stopped.is_set()


def test_a_card_that_stalls_twice_is_written_through_the_page_cache(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.burn.stall_guard.TIMEOUT_SECONDS", 0.1)
    fd = os.open(device.path, os.O_RDWR | os.O_DIRECT)
    try:
        card = Card(device, fd, is_direct=True)
        with card.reader() as reading:
            with pytest.raises(OSError, match="Invalid argument"):
                os.pwrite(fd, b"unaligned", 1)
            card.guard.request(lambda: time.sleep(0.25))
            os.pwrite(fd, b"unaligned", 1)
            assert os.pread(reading, 9, 1) == b"unaligned"
        assert not card.is_direct
        assert not card.is_read_direct
        card.guard.close()
    finally:
        os.close(fd)


def test_a_gap_across_the_end_of_the_first_mib_leaves_that_for_later(card: Card) -> None:
    writer = CardWriter(card, WriteMode(), BlockPatches({512 * KIB: b"O" * 4096}))
    writer.write_part(Gap(0, 2 * MIB))
    found = content(card)
    assert found[:MIB] == b"old " * (MIB // 4)
    assert found[MIB : 2 * MIB] == bytes(MIB)
    writer.finish()
    assert content(card)[512 * KIB : 516 * KIB] == b"O" * 4096
    assert content(card)[: 512 * KIB] == bytes(512 * KIB)
