"""Requests that a device has to answer: one that is silent is asked more gently, then given up.

Some readers stall when several direct requests are under way, and go on when they are asked one
at a time, or through the page cache; so after every minute of silence that is what is done, for
good. A request cannot be taken back from the kernel. Therefore each is made by a thread that can be
left behind: whoever asked goes on, and so do the other cards.
"""

import errno
import os
import queue
import threading
from collections.abc import Callable
from contextlib import nullcontext
from enum import IntEnum

SECONDS = 60.0
"""How long a device may be silent."""
_LONG_ROUNDS = 10
"""How many times as long it may take to flush, or to empty a run by itself."""


class Step(IntEnum):
    """How a device is asked."""

    AS_USUAL = 0
    ONE_AT_A_TIME = 1
    THROUGH_CACHE = 2
    GIVEN_UP = 3


_SAID = {
    Step.ONE_AT_A_TIME: "asking for one thing at a time from now on",
    Step.THROUGH_CACHE: "writing through the page cache from now on",
    Step.GIVEN_UP: "giving it up",
}


class Patience:
    """How long one device is waited for.

    Args:
        soften: Called when requests are to go through the page cache from now on.

    Attributes:
        step: How it is asked now.
        complain: Told what is done about a silence.
    """

    def __init__(self, soften: Callable[[], object]) -> None:
        self.step = Step.AS_USUAL
        self.complain: Callable[[str], object] = lambda _: None
        self._soften = soften
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._idle: list[_Worker] = []

    def ask(self, request: Callable[[], object]) -> None:
        """Make a request; one that fails after a silence is made once more, more gently.

        Raises:
            OSError: the kernel refuses it; ``ETIMEDOUT`` when there was no answer at all.
        """
        while True:
            with self._turn if self.step else nullcontext():
                silences, error = self._make(request)
            if error is None:
                return
            if not silences or not isinstance(error, OSError) or self.step is Step.GIVEN_UP:
                raise error

    def ask_long(self, request: Callable[[], object]) -> None:
        """Make a request that may take long, and is not made more gently.

        Raises:
            OSError: the kernel refuses it; ``ETIMEDOUT`` when there was no answer at all.
        """
        _, error = self._make(request, rounds=_LONG_ROUNDS)
        if error is not None:
            raise error

    def end(self) -> None:
        """Let the threads end that wait for requests."""
        while self._idle:
            self._idle.pop().requests.put(None)

    def _make(
        self, request: Callable[[], object], rounds: int = 0
    ) -> tuple[int, BaseException | None]:
        """Make a request; return how often it was silent too long, and what went wrong."""
        if self.step is Step.GIVEN_UP:
            return 0, _no_answer()
        worker = self._idle.pop() if self._idle else _Worker()
        worker.requests.put(request)
        silences, step = 0, Step(self.step)
        while True:
            try:
                error = worker.answers.get(timeout=SECONDS)
            except queue.Empty:
                silences += 1
            else:
                self._idle.append(worker)
                return silences, error
            if rounds:
                self._say(silences, "waiting on")
            else:
                step = self._next(step, silences)
            if step is Step.GIVEN_UP or silences == rounds:
                return silences, _no_answer()

    def _next(self, known: Step, silences: int) -> Step:
        """Take the next step, unless another request did since; return which it is now."""
        with self._lock:
            if self.step is known:
                self.step = Step(known + 1)
                if self.step is Step.THROUGH_CACHE:
                    self._soften()
                self._say(silences, _SAID[self.step])
            return self.step

    def _say(self, silences: int, what: str) -> None:
        """Tell of a silence."""
        self.complain(f"no answer for {silences * SECONDS:.0f} s: {what}")


class _Worker:
    """A thread that makes one request after the other."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        """Make requests until the end mark."""
        while (request := self.requests.get()) is not None:
            try:
                request()
            except BaseException as error:  # whoever asked raises it
                self.answers.put(error)
            else:
                self.answers.put(None)


def _no_answer() -> OSError:
    """Return the error for a device that is silent."""
    return OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
