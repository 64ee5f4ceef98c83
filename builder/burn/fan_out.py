"""One image read once, written to several cards at once; each succeeds or fails on its own.

Every card has a few threads that take parts of the image from a short queue. The slowest card sets
the pace, because the buffers are shared; a card that failed discards its parts.
"""

import queue
import threading
from collections.abc import Iterable, Sequence

from builder.burn.chunks import Chunk, Part
from builder.burn.writer import CardWriter
from builder.errors import BuilderError
from builder.progress import Advance

DEPTH = 2
"""Number of requests that a card has under way."""


class CardWorker:
    """The threads that write one card.

    Args:
        writer: The card's writer.
        advance: Called with the number of bytes of every part that is written.
        counts_gaps: Whether gaps count as bytes for ``advance``.

    Attributes:
        bug: An exception that is not a :class:`BuilderError`.
    """

    def __init__(
        self, writer: CardWriter, advance: Advance = lambda _: None, *, counts_gaps: bool = False
    ) -> None:
        self.writer = writer
        self.bug: BaseException | None = None
        self.parts: queue.Queue[Part | None] = queue.Queue(DEPTH)
        self._advance = advance
        self._counts_gaps = counts_gaps
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(DEPTH)]

    @property
    def has_failed(self) -> bool:
        """Whether the card is given up."""
        return self.writer.failure is not None or self.bug is not None

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until the threads have seen their end marks."""
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        """Write parts until the end mark."""
        writer = self.writer
        while (part := self.parts.get()) is not None:
            try:
                if writer.failure is None and not writer.stopped.is_set():
                    self._write(part)
            except BuilderError as error:
                writer.failure = writer.failure or error
            except BaseException as error:  # a thread has no caller to raise it to
                self.bug = error
                writer.stopped.set()
            finally:
                part.release()

    def _write(self, part: Part) -> None:
        self.writer.write_part(part)
        with self._lock:
            self.writer.position = max(self.writer.position, part.end)
            if self._counts_gaps or isinstance(part, Chunk):
                self._advance(part.length)


def fan_out(parts: Iterable[Part], workers: Sequence[CardWorker], stopped: threading.Event) -> None:
    """Write every part of an image to every card, and wait until all are done.

    An interrupt lets each card finish its current request.

    Raises:
        BuilderError: the image cannot be read to its end.
    """
    for worker in workers:
        worker.start()
    try:
        for part in parts:
            if all(worker.has_failed for worker in workers):
                part.release()
                break
            _queue(part, workers)
    except BaseException:
        stopped.set()
        raise
    finally:
        _join(workers)
    bugs = [worker.bug for worker in workers if worker.bug is not None]
    if bugs:
        raise bugs[0]


def _join(workers: Sequence[CardWorker]) -> None:
    """Let every card write what is queued, and wait for that."""
    for worker in workers:
        for _ in range(DEPTH):
            worker.parts.put(None)
    for worker in workers:
        worker.join()


def _queue(part: Part, workers: Sequence[CardWorker]) -> None:
    if isinstance(part, Chunk):
        part.share(len(workers))
    for worker in workers:
        worker.parts.put(part)
