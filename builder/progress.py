"""How a long task tells how far it is: a protocol, silence, plain lines, JSON lines, and tqdm."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO


class Advance(Protocol):
    """Counts units of work, usually bytes."""

    def __call__(self, amount: int, /) -> object:
        """Add ``amount`` to what has been done."""
        ...


class Progress(Protocol):
    """Where phases and their counters are shown."""

    def phase(self, text: str) -> None:
        """Say what begins now."""
        ...

    def count(self, text: str, total: int | None) -> AbstractContextManager[Advance]:
        """Show a counter up to ``total`` bytes, ``None`` when it is not known."""
        ...


class Silent:
    """Shows nothing; for tests and for callers that only want the result."""

    def phase(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def count(self, text: str, total: int | None) -> Iterator[Advance]:  # noqa: ARG002 - protocol
        """Count nothing."""
        yield lambda _: None


class Lines:
    """One line a phase, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def phase(self, text: str) -> None:
        """Write a line."""
        self.stream.write(f"{text}\n")
        self.stream.flush()

    @contextmanager
    def count(self, text: str, total: int | None) -> Iterator[Advance]:
        """Write a line when the count begins."""
        size = "" if total is None else f" ({total / 1e6:.0f} MB)"
        self.phase(f"{text}{size}")
        yield lambda _: None


class Bars(Lines):
    """Lines for phases, a tqdm bar for counters, for terminals."""

    def phase(self, text: str) -> None:
        """Write a line, above the bars of this and other tasks."""
        with above_bars(self.stream):
            super().phase(text)

    @contextmanager
    def count(self, text: str, total: int | None) -> Iterator[Advance]:
        """Draw a bar in bytes."""
        from tqdm import tqdm

        bar = tqdm(desc=text, total=total, unit="B", unit_scale=True, leave=False, file=self.stream)
        with bar:
            yield bar.update


class JsonLines(Lines):
    """One JSON object a line, for programs: phases, and counters several times a second."""

    _EVERY_SECONDS = 0.25

    def phase(self, text: str) -> None:
        """Write an event."""
        self.event("phase", text=text)

    @contextmanager
    def count(self, text: str, total: int | None) -> Iterator[Advance]:
        """Write an event now and then, and one at the end."""
        done, told = 0, 0.0

        def advance(amount: int) -> None:
            nonlocal done, told
            done += amount
            if time.monotonic() - told >= self._EVERY_SECONDS:
                told = time.monotonic()
                self.event("progress", text=text, done=done, total=total)

        yield advance
        self.event("progress", text=text, done=done, total=total)

    def event(self, kind: str, **fields: object) -> None:
        """Write one object."""
        self.stream.write(json.dumps({"event": kind, **fields}, default=str) + "\n")
        self.stream.flush()


class Named:
    """Says of one of several tasks what another display shows, with its name in front."""

    def __init__(self, shown: Progress, name: str) -> None:
        self.shown, self.name = shown, name

    def phase(self, text: str) -> None:
        """Say what begins now, and of what."""
        self.shown.phase(f"{self.name}: {text}")

    def count(self, text: str, total: int | None) -> AbstractContextManager[Advance]:
        """Show a counter, and of what."""
        return self.shown.count(f"{self.name}: {text}", total)


@contextmanager
def above_bars(stream: TextIO) -> Iterator[None]:
    """Take away the bars of this process while lines are written to a terminal."""
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not stream.isatty():
        yield
        return
    with tqdm.external_write_mode(file=stream, nolock=False):
        yield


def on(stream: TextIO) -> Progress:
    """Return bars for a terminal and lines for anything else."""
    return Bars(stream) if stream.isatty() else Lines(stream)
