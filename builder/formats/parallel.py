"""Work shared among threads, with its results in the order of the items.

The work has to release the interpreter's lock, as the compressors of the standard library and
their faster kin do. Does not start processes.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2
"""Items in work or waiting for their turn, for each thread."""


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

    What the thread raises is raised here; closing this generator ends the thread, then ``items``.
    """
    waiting: deque[Future[_Item | None]] = deque()
    with closing(items), ThreadPoolExecutor(1) as pool:
        for _ in range(2 * _AHEAD):
            waiting.append(pool.submit(next, items, None))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, items, None))
            yield item


def processors() -> int:
    """Return how many processors this process may use."""
    allowed: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1
