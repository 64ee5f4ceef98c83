"""Work shared among threads: its order, what it raises, and that nothing goes on after it."""

import threading
import time
from collections.abc import Generator, Iterator

import pytest

from builder.errors import FormatError
from builder.formats.parallel import iter_ahead, iter_ordered


def counted(ended: list[str], upto: int = 100) -> Generator[int, None, None]:
    """Count, and say when it ends."""
    try:
        yield from range(1, upto)
    finally:
        ended.append(threading.current_thread().name)


def test_items_made_ahead_come_in_order_and_all_of_them() -> None:
    ended: list[str] = []
    assert list(iter_ahead(counted(ended))) == list(range(1, 100))
    assert len(ended) == 1


def test_nothing_made_ahead_is_nothing() -> None:
    assert list(iter_ahead(counted([], 1))) == []


def test_items_are_made_while_the_caller_works() -> None:
    made: list[int] = []

    def make() -> Generator[int, None, None]:
        for number in range(1, 4):
            made.append(number)
            yield number

    items = iter_ahead(make())
    assert next(items) == 1
    deadline = time.monotonic() + 30
    while made != [1, 2, 3] and time.monotonic() < deadline:
        time.sleep(0.001)
    assert made == [1, 2, 3]
    items.close()


def test_what_the_thread_raises_is_raised_after_what_came_before() -> None:
    def make() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise FormatError("cut short")

    items = iter_ahead(make())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(FormatError, match="cut short"):
        next(items)


def test_giving_up_ends_the_thread_and_the_source() -> None:
    ended: list[str] = []
    before = threading.active_count()
    items = iter_ahead(counted(ended, 10**9))
    assert next(items) == 1
    items.close()
    assert len(ended) == 1
    assert threading.active_count() == before


def test_ordered_work_keeps_a_bounded_number_of_items() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = iter_ordered(lambda number: number * 2, items(), threads=2)
    assert [next(results) for _ in range(10)] == list(range(0, 20, 2))
    assert len(taken) < 20
    results.close()
