"""What a build in another process says, sent through a pipe and shown on the other side."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection

from builder.progress import Advance, Progress
from builder.structs import Struct

_EVERY_SECONDS = 0.1


class Message(Struct, frozen=True):
    """One thing that is said.

    Attributes:
        kind: ``say`` for what a person must read, ``phase``, or ``count``, ``advance`` and
            ``end`` of a counter.
        text: What is said, or counted.
        number: Which counter.
        amount: Units of work; of ``count`` the total, negative when it is not known.
        done: What was there when a counter began.
    """

    kind: str
    text: str = ""
    number: int = 0
    amount: int = 0
    done: int = 0


class Relay:
    """A progress display in the process that works: sends everything to the other one."""

    def __init__(self, answers: Connection) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._counters = 0

    def say(self, text: str) -> None:
        """Send what a person must read."""
        self._send(Message("say", text))

    def phase(self, text: str) -> None:
        """Send what begins now."""
        self._send(Message("phase", text))

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
        """Send a counter, its amounts ten times a second."""
        self._counters += 1
        number, left, sent = self._counters, 0, time.monotonic()
        self._send(Message("count", text, number, -1 if total is None else total, done))

        def advance(amount: int) -> None:
            nonlocal left, sent
            left += amount
            if time.monotonic() - sent >= _EVERY_SECONDS:
                self._send(Message("advance", "", number, left))
                left, sent = 0, time.monotonic()

        try:
            yield advance
        finally:
            self._send(Message("advance", "", number, left))
            self._send(Message("end", "", number))

    def _send(self, message: Message) -> None:
        """Send a message; any thread may."""
        with self._lock:
            self._answers.send(message)


class Replay:
    """Shows on this side what a relay sends."""

    def __init__(self, progress: Progress, say: Callable[[str], object]) -> None:
        self._progress = progress
        self._say = say
        self._counters: dict[int, tuple[AbstractContextManager[Advance], Advance]] = {}

    def take(self, message: object) -> bool:
        """Show a message; ``False`` for anything else."""
        match message:
            case Message("say", text):
                self._say(text)
            case Message("phase", text):
                self._progress.phase(text)
            case Message("count", text, number, total, done):
                counter = self._progress.count(text, None if total < 0 else total, done=done)
                self._counters[number] = counter, counter.__enter__()
            case Message("advance", number=number, amount=amount):
                self._counters[number][1](amount)
            case Message("end", number=number):
                self._counters.pop(number)[0].__exit__(None, None, None)
            case _:
                return False
        return True

    def close(self) -> None:
        """Take away the counters of a process that ended."""
        while self._counters:
            self._counters.popitem()[1][0].__exit__(None, None, None)
