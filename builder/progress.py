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

    def count(
        self, text: str, total: int | None, *, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Show a counter up to ``total`` bytes, ``None`` when it is not known.

        ``done`` bytes were there before, and say nothing of the speed.
        """
        ...


class Silent:
    """Shows nothing; for tests and for callers that only want the result."""

    def phase(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
        """Count nothing."""
        del text, total, done
        yield lambda _: None


class Lines:
    """One line a phase, and now and then one of a counter that takes long, for logs and pipes."""

    _EVERY_SECONDS = 10.0
    _LEAST_SECONDS = 0.5
    _PARTS = 10

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def phase(self, text: str) -> None:
        """Write a line."""
        self.stream.write(f"{text}\n")
        self.stream.flush()

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
        """Write a line when the count begins, and one each 10 s or each tenth of the total."""
        size = "" if total is None else f" ({total / 1e6:.0f} MB)"
        self.phase(f"{text}{size}")
        had = told = done
        begun = when = time.monotonic()

        def advance(amount: int) -> None:
            nonlocal done, told, when
            done += amount
            waited = time.monotonic() - when
            is_part = total and done - told >= total / self._PARTS
            if waited >= self._EVERY_SECONDS or (is_part and waited >= self._LEAST_SECONDS):
                told, when = done, time.monotonic()
                speed = (done - had) / (when - begun)
                self.phase(f"{text}: {_so_far(done, total)}, {speed / 1e6:.1f} MB/s")

        yield advance


class Bars(Lines):
    """Lines for phases, a tqdm bar for counters, for terminals."""

    def phase(self, text: str) -> None:
        """Write a line, above the bars of this and other tasks."""
        with above_bars(self.stream):
            super().phase(text)

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
        """Draw a bar in bytes."""
        from tqdm import tqdm

        bar = tqdm(
            desc=text,
            total=total,
            initial=done,
            unit="B",
            unit_scale=True,
            leave=False,
            file=self.stream,
        )
        with bar:
            yield bar.update


class JsonLines(Lines):
    """One JSON object a line, for programs: phases, and counters several times a second.

    Args:
        schema: What each line is, in its ``schema``.
        stream: Where they go.
    """

    _EVERY_SECONDS = 0.25

    def __init__(self, schema: str, stream: TextIO) -> None:
        super().__init__(stream)
        self._schema = schema

    def phase(self, text: str) -> None:
        """Write an event."""
        self.event("phase", text=text)

    @contextmanager
    def count(self, text: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
        """Write an event now and then, and one at the end."""
        told = 0.0

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
        line = {"schema": self._schema, "event": kind, **fields}
        self.stream.write(json.dumps(line, default=str) + "\n")
        self.stream.flush()


class Named:
    """Says of one of several tasks what another display shows, with its name in front."""

    def __init__(self, shown: Progress, name: str) -> None:
        self.shown, self.name = shown, name

    def phase(self, text: str) -> None:
        """Say what begins now, and of what."""
        self.shown.phase(f"{self.name}: {text}")

    def count(
        self, text: str, total: int | None, *, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Show a counter, and of what."""
        return self.shown.count(f"{self.name}: {text}", total, done=done)


@contextmanager
def above_bars(stream: TextIO) -> Iterator[None]:
    """Take away the bars of this process while lines are written to a terminal."""
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not stream.isatty():
        yield
        return
    with tqdm.external_write_mode(file=stream, nolock=False):
        yield


def _so_far(done: int, total: int | None) -> str:
    """Return how far a counter is."""
    if not total:
        return f"{done / 1e6:.1f} MB"
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB ({min(done * 100 // total, 100)} %)"


def on(stream: TextIO) -> Progress:
    """Return bars for a terminal and lines for anything else."""
    return Bars(stream) if stream.isatty() else Lines(stream)
