"""A guard against devices that stall: requests are degraded step by step, then given up.

Some readers stall when several direct requests are under way, and continue when requests come one
at a time, or through the page cache; so each timeout takes the next of these steps, for the rest of
the burn. A request cannot be cancelled in the kernel. Therefore a thread makes each, which can be
abandoned: the caller continues, and so do the other cards.
"""

import errno
import os
import queue
import threading
from collections.abc import Callable
from contextlib import nullcontext
from enum import IntEnum

TIMEOUT_SECONDS = 60.0
"""How long a device may leave a request unanswered."""
_LONG_REQUEST_TIMEOUTS = 10
"""Timeouts that a flush, or zeroing a range by the device, may take."""


class RequestMode(IntEnum):
    """How requests are made of a device."""

    NORMAL = 0
    SERIAL = 1
    BUFFERED = 2
    FAILED = 3


_MESSAGES = {
    RequestMode.SERIAL: "one request at a time from now on",
    RequestMode.BUFFERED: "through the page cache from now on",
    RequestMode.FAILED: "giving up",
}


class StallGuard:
    """Makes the requests of one device, and degrades their mode when it stalls.

    Args:
        fall_back_to_buffered: Called when requests go through the page cache from now on.
        on_stall: Called with a message for each timeout.

    Attributes:
        mode: How requests are made now.
    """

    def __init__(
        self, fall_back_to_buffered: Callable[[], object], on_stall: Callable[[str], object]
    ) -> None:
        self.mode = RequestMode.NORMAL
        self._fall_back_to_buffered = fall_back_to_buffered
        self._on_stall = on_stall
        self._lock = threading.Lock()
        self._serial = threading.Lock()
        self._idle: list[_RequestThread] = []

    def request(self, action: Callable[[], object]) -> None:
        """Make a request; one that fails after a timeout is retried in the degraded mode.

        Raises:
            OSError: the kernel refuses it; ``ETIMEDOUT`` when there is no answer at all.
        """
        while True:
            with self._serial if self.mode else nullcontext():
                timeouts, error = self._run(action)
            if error is None:
                return
            if not timeouts or not isinstance(error, OSError) or self.mode is RequestMode.FAILED:
                raise error

    def request_long(self, action: Callable[[], object]) -> None:
        """Make a request that may take long; it is neither degraded nor retried.

        Raises:
            OSError: the kernel refuses it; ``ETIMEDOUT`` when there is no answer at all.
        """
        _, error = self._run(action, limit=_LONG_REQUEST_TIMEOUTS)
        if error is not None:
            raise error

    def close(self) -> None:
        """End the idle threads."""
        while self._idle:
            self._idle.pop().requests.put(None)

    def _run(
        self, action: Callable[[], object], limit: int = 0
    ) -> tuple[int, BaseException | None]:
        """Make a request; return the number of timeouts, and the error.

        Args:
            action: Makes the request.
            limit: Number of timeouts of a long request; zero degrades the mode instead.
        """
        if self.mode is RequestMode.FAILED:
            return 0, _no_answer()
        thread = self._idle.pop() if self._idle else _RequestThread()
        thread.requests.put(action)
        timeouts, mode = 0, RequestMode(self.mode)
        while True:
            try:
                error = thread.answers.get(timeout=TIMEOUT_SECONDS)
            except queue.Empty:
                timeouts += 1
            else:
                self._idle.append(thread)
                return timeouts, error
            if limit:
                self._report(timeouts, "still waiting")
            else:
                mode = self._degrade(mode, timeouts)
            if mode is RequestMode.FAILED or timeouts == limit:
                return timeouts, _no_answer()

    def _degrade(self, known: RequestMode, timeouts: int) -> RequestMode:
        """Take the next mode, unless another request did since ``known``; return the mode."""
        with self._lock:
            if self.mode is known:
                self.mode = RequestMode(known + 1)
                if self.mode is RequestMode.BUFFERED:
                    self._fall_back_to_buffered()
                self._report(timeouts, _MESSAGES[self.mode])
            return self.mode

    def _report(self, timeouts: int, action: str) -> None:
        self._on_stall(f"no answer for {timeouts * TIMEOUT_SECONDS:.0f} s: {action}")


class _RequestThread:
    """A thread that makes one request after the other."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (action := self.requests.get()) is not None:
            try:
                action()
            except BaseException as error:  # the caller raises it
                self.answers.put(error)
            else:
                self.answers.put(None)


def _no_answer() -> OSError:
    return OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
