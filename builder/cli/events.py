"""``--events``: progress of a command as JSON lines, for other programs.

The lines are those of ``photon-builder/events/v1`` in ``builder.cli.schemas``. A reader that goes
away stops the lines, and nothing else.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from builder import __version__
from builder.errors import Diagnostic, HostError, UsageError
from builder.progress import Advance, Progress

SCHEMA = "photon-builder/events/v1"
STANDARD_OUTPUT = "-"
_SECONDS = 1.0
_PARTS = 20
"""Interval between events of a counter: a second, or a twentieth of its total."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Sink:
    """Destination of this run's events."""

    stream: TextIO | None = None
    is_answer = False
    begun = 0.0


def events_option(command: _Command) -> _Command:
    """Add ``--events``."""
    text = (
        "Write progress events as JSON lines to FILE or to file descriptor N; with - to standard "
        "output, instead of the result."
    )
    return click.option(
        "--events", metavar="FILE|fd:N|-", help=text, expose_value=False, callback=_begin
    )(command)


def reset() -> None:
    """Forget the events of an earlier run in this process."""
    _Sink.stream, _Sink.is_answer = None, False


def are_the_answer() -> bool:
    """Return whether standard output has events only."""
    return _Sink.is_answer


def emit(event: str, **fields: object) -> None:
    """Write an event if ``--events`` was given."""
    if _Sink.stream is None:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"schema": SCHEMA, "time": now, "event": event, **fields}
    try:
        _Sink.stream.write(json.dumps(line, default=str) + "\n")
        _Sink.stream.flush()
    except (OSError, ValueError) as error:
        _Sink.stream = None
        sys.stderr.write(f"--events: writing stopped: {error}\n")


def emit_problems(
    problems: Iterable[Diagnostic], *, exit_code: int = 0, subject: tuple[str, str] = ("", "")
) -> None:
    """Write an event for each problem; ``subject`` is the name of a spec and that of a target."""
    for problem in problems:
        code = {"exit_code": exit_code} if exit_code else {}
        emit(str(problem.severity), **_named(subject), problem=problem.row(), **code)


def finish(code: int) -> None:
    """Write the last event."""
    emit("end", exit_code=code, seconds=round(time.monotonic() - _Sink.begun, 3))


class EventProgress:
    """Shows progress on another display, and writes it as events.

    Args:
        shown: The display.
        subject: Name of the spec and of the target; empty texts when it is of neither.
    """

    def __init__(self, shown: Progress, subject: tuple[str, str] = ("", "")) -> None:
        self._shown = shown
        self._named = _named(subject)

    def phase(self, text: str) -> None:
        """Start a phase."""
        emit("step", **self._named, text=text)
        self._shown.phase(text)

    def count(
        self, text: str, total: int | None, *, done: int = 0
    ) -> AbstractContextManager[Advance]:
        """Show a counter, and write its events."""
        return self._count(text, total, done)

    @contextmanager
    def _count(self, text: str, total: int | None, done: int) -> Iterator[Advance]:
        """Count on both sides."""
        counter = _Counter(text, total, done, self._named)
        with ExitStack() as stack:
            advance = stack.enter_context(self._shown.count(text, total, done=done))

            def both(amount: int) -> None:
                advance(amount)
                counter.add(amount)

            counter.write()
            stack.callback(counter.write)
            yield both


class _Counter:
    """A counter of bytes that writes an event at intervals."""

    def __init__(self, text: str, total: int | None, done: int, named: dict[str, str]) -> None:
        self._fields = {**named, "text": text, "total": total}
        self._total = total
        self._done, self._had, self._told = done, done, done
        self._begun = self._when = time.monotonic()

    def add(self, amount: int) -> None:
        """Count, and write an event when one is due."""
        self._done += amount
        is_part = self._total and self._done - self._told >= self._total / _PARTS
        if is_part or time.monotonic() - self._when >= _SECONDS:
            self.write()

    def write(self) -> None:
        """Write an event."""
        self._told, self._when = self._done, time.monotonic()
        passed = self._when - self._begun
        speed = round((self._done - self._had) / passed) if passed > 0 else 0
        emit("progress", **self._fields, done=self._done, bytes_per_second=speed)


def _named(subject: tuple[str, str]) -> dict[str, str]:
    """Return the fields that identify the spec and the target of an event."""
    return {key: name for key, name in zip(("spec", "target"), subject, strict=True) if name}


def _begin(context: click.Context, _: click.Parameter, where: str | None) -> None:
    """Open what ``--events`` names and write the first event.

    Raises:
        UsageError: the descriptor is not open, or ``--json`` uses standard output.
        HostError: the file cannot be written.
    """
    if not where:
        return
    is_answer = where in {STANDARD_OUTPUT, "fd:1", "/dev/stdout"}
    if is_answer and context.params.get("as_json"):
        raise UsageError("--events - and --json cannot both write to standard output")
    _Sink.stream = _opened(where)
    _Sink.is_answer, _Sink.begun = is_answer, time.monotonic()
    emit("begin", command=context.info_name or "", version=__version__)


def _opened(where: str) -> TextIO:
    """Open a file or a descriptor for writing."""
    word, _, number = where.partition(":")
    try:
        if where == STANDARD_OUTPUT:
            return sys.stdout
        if word == "fd":
            return os.fdopen(os.dup(int(number)), "w", encoding="utf-8")
        return Path(where).open("w", encoding="utf-8")
    except (OSError, OverflowError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if word == "fd":
            raise UsageError(
                f"--events {where}: {reason}", hint="open one: --events fd:3 3>events.jsonl"
            ) from error
        raise HostError(
            f"--events {where}: {reason}", hint="use a file in a writable directory"
        ) from error
