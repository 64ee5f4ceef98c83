"""Many builds at once, each in a process of its own, so that none can lose the others.

A process that is killed, or that dies of a bug, is one failed build. Children end with their
parent, also when that is killed. Where processes cannot be forked safely (macOS) the builds are
threads: slower, and Python's lock is shared. Does not say what is built, and shows nothing.
"""

import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkProcess
from pathlib import Path

from builder.build import Outcome, Request, build
from builder.cache import Cache
from builder.errors import BuilderError, HostError
from builder.formats.parallel import processors
from builder.host import refusal
from builder.progress import Silent
from builder.structs import Struct

_INTERRUPTED = 130


class Result(Struct, frozen=True):
    """What came of a request.

    Attributes:
        request: The request.
        found: The artifact, or why there is none.
        seconds: How long it took.
    """

    request: Request
    found: Outcome | BuilderError
    seconds: float


def build_all(
    requests: Sequence[Request],
    *,
    workers: int = 0,
    done: Callable[[Result], object] = lambda _: None,
) -> list[Result]:
    """Build every request and return the results in the order of the requests.

    Downloads and the cache are shared. Whatever happens to one build is its result.

    Args:
        requests: What to build.
        workers: How many at once; zero takes one for each processor.
        done: Told of each result when it is there.
    """
    workers = workers or processors()
    forks = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    results: dict[int, Result] = {}
    for number, result in (_forked if forks else _threaded)(requests, workers):
        results[number] = result
        done(result)
    return [results[number] for number in range(len(requests))]


def as_error(error: Exception, path: Path) -> BuilderError:
    """Return an exception as an error that can be shown; a bug with where it happened.

    Args:
        error: What was raised.
        path: What a refusal of the system is about, when it does not say it.
    """
    if isinstance(error, BuilderError):
        return error
    if isinstance(error, OSError):
        return refusal(error, path)
    found = BuilderError(
        f"this is a bug in photon-builder, not in your spec: {type(error).__name__}: {error}",
        hint="report it with the text above at the project's issue tracker",
    )
    found.add_note("".join(traceback.format_exception(error)).rstrip())
    return found


def _threaded(requests: Sequence[Request], workers: int) -> Iterator[tuple[int, Result]]:
    """Yield number and result of each request, built in threads."""
    with ThreadPoolExecutor(workers) as pool:
        numbers = {pool.submit(_result, request): n for n, request in enumerate(requests)}
        for future in as_completed(numbers):
            yield numbers[future], future.result()


def _forked(requests: Sequence[Request], workers: int) -> Iterator[tuple[int, Result]]:
    """Yield number and result of each request, built in processes."""
    context = multiprocessing.get_context("fork")
    waiting = list(enumerate(requests))[::-1]
    running: dict[Connection, _Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                started = _start(context, *waiting.pop())
                running[started.answers] = started
            for answers in wait(list(running)):
                ended = running.pop(answers) if isinstance(answers, Connection) else None
                if ended is not None:
                    yield ended.number, ended.result()
    finally:
        for left in running.values():
            left.process.terminate()
        for left in running.values():
            left.process.join()


class _Running(Struct, frozen=True):
    """A build in a process."""

    number: int
    request: Request
    process: ForkProcess
    answers: Connection
    begun: float

    def result(self) -> Result:
        """Return what the process told before it ended, or how it ended."""
        found: Outcome | BuilderError | None = None
        with suppress(EOFError):
            found = self.answers.recv()
        self.process.join()
        self.answers.close()
        if found is None:
            found = _death(self.process.exitcode or 0)
        return Result(self.request, found, time.monotonic() - self.begun)


def _start(context: ForkContext, number: int, request: Request) -> _Running:
    """Start building a request in a process."""
    answers, ours = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(request, ours))
    process.start()
    ours.close()
    return _Running(number, request, process, answers, time.monotonic())


def _serve(request: Request, answers: Connection) -> None:
    """Build in a process and send what came of it."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        answers.send(_result(request).found)
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)


def _die_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(_INTERRUPTED)


def _result(request: Request) -> Result:
    """Build one request; whatever goes wrong is its result."""
    begun = time.monotonic()
    found: Outcome | BuilderError
    try:
        found = build(request, Cache(), Silent())
    except Exception as error:  # a bug in one build is no reason to lose the others
        found = as_error(error, request.output)
    return Result(request, found, time.monotonic() - begun)


def _death(code: int) -> BuilderError:
    """Say how a process ended that told nothing."""
    how = f"by signal {-code}" if code < 0 else f"with status {code}"
    return HostError(
        f"its process was ended {how}",
        hint="was there enough memory? the system's log (dmesg, journalctl -k) tells",
    )
