"""Work shared among threads, with its results in the order of the items.

The work has to release the interpreter's lock, as the compressors of the standard library and
their faster kin do. Does not start processes.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2
"""Items in work or waiting for their turn, for each thread."""


def iter_ordered(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int = 0
) -> Iterator[_Result]:
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


def processors() -> int:
    """Return how many processors this process may use."""
    allowed: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1
