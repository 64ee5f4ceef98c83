"""Work shared among threads, with its results in the order of the items.

The work has to release the interpreter's lock, as the compressors of the standard library and
their faster kin do. Does not start processes.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2
"""Items in work or waiting for their turn, for each thread."""
_HANDED_OVER = 4
"""Items that one thread gives to another at once."""


def iter_ordered(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int = 0
) -> Generator[_Result, None, None]:
    """Yield ``work`` of every item, in order, with a bounded number of them in memory.

    Args:
        work: Called in several threads at once.
        items: Read in the caller's thread.
        threads: Zero takes one for each processor.
    """
    threads = threads or processors()
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def iter_ahead(items: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """Yield items that a thread makes while the caller works on those before.

    They are handed over a few at a time, as that takes longer than to make one of some kinds. What
    the thread raises is raised here; closing this generator ends the thread, then ``items``.
    """
    waiting: deque[Future[tuple[list[_Item], Exception | None]]] = deque()
    with closing(items), ThreadPoolExecutor(1) as pool:
        for _ in range(_AHEAD):
            waiting.append(pool.submit(_take, items))
        while True:
            taken, error = waiting.popleft().result()
            waiting.append(pool.submit(_take, items))
            yield from taken
            if error is not None:
                raise error
            if len(taken) < _HANDED_OVER:
                return


def _take(items: Iterator[_Item]) -> tuple[list[_Item], Exception | None]:
    """Return the next items, fewer at the end, and what was raised instead of the next."""
    taken: list[_Item] = []
    try:
        taken.extend(islice(items, _HANDED_OVER))
    except Exception as error:  # it belongs to the caller, after what came before
        return taken, error
    return taken, None


def processors() -> int:
    """Return how many processors this process may use."""
    allowed: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1
