"""One image read once, written to several cards at once; each succeeds or fails on its own.

Every card has a few threads that take parts from a short queue. The slowest card sets the pace,
because the buffers are shared; one that failed lets its parts pass.
"""

import queue
import threading
from collections.abc import Iterable, Sequence

from builder.burn.chunks import Chunk, Task
from builder.burn.writer import Writer
from builder.errors import BuilderError

DEPTH = 2
"""Requests that a card has at once."""


class Lane:
    """A card in a burn.

    Attributes:
        writer: Its writer.
        failure: Why it was given up; ``None`` as long as all is well.
        bug: What went wrong that nobody foresaw.
        position: How far in the image it is.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.failure: BuilderError | None = None
        self.bug: BaseException | None = None
        self.position = 0
        self.tasks: queue.Queue[Task | None] = queue.Queue(DEPTH)

    def run(self) -> None:
        """Take parts until the end mark."""
        while (task := self.tasks.get()) is not None:
            try:
                if self.failure is None and not self.writer.stopped.is_set():
                    self.writer.take(task)
                    self.position = max(self.position, task.end)
            except BuilderError as error:
                self.failure = self.failure or error
            except BaseException as error:  # a thread has nobody to raise it to
                self.bug = error
                self.writer.stopped.set()
            finally:
                task.release()


def spread(tasks: Iterable[Task], lanes: Sequence[Lane], stopped: threading.Event) -> None:
    """Give every part of an image to every card, and wait until they are done.

    An interrupt lets each card finish the request that it is at.

    Raises:
        BuilderError: the image could not be read to its end.
    """
    threads = _start(lanes)
    try:
        for task in tasks:
            if all(lane.failure or lane.bug for lane in lanes):
                task.release()
                break
            _give(task, lanes)
    except BaseException:
        stopped.set()
        raise
    finally:
        _end(lanes, threads)
    bugs = [lane.bug for lane in lanes if lane.bug is not None]
    if bugs:
        raise bugs[0]


def _start(lanes: Sequence[Lane]) -> list[threading.Thread]:
    """Start the threads of every card."""
    threads = [
        threading.Thread(target=lane.run, daemon=True) for lane in lanes for _ in range(DEPTH)
    ]
    for thread in threads:
        thread.start()
    return threads


def _end(lanes: Sequence[Lane], threads: Sequence[threading.Thread]) -> None:
    """Let every card do what is queued, and wait for that."""
    for lane in lanes:
        for _ in range(DEPTH):
            lane.tasks.put(None)
    for thread in threads:
        thread.join()


def _give(task: Task, lanes: Sequence[Lane]) -> None:
    """Queue a part for every card."""
    if isinstance(task, Chunk):
        task.share(len(lanes))
    for lane in lanes:
        lane.tasks.put(task)
