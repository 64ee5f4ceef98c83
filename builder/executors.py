"""Many builds at once, each in a process of its own, so that none can lose the others.

A process that is killed, or that dies of a bug, is one failed build. Children end with their
parent, also when that is killed; what a build says meanwhile is shown by the parent, and an
interrupt is the parent's affair, too. Where processes cannot be forked safely (macOS) the builds
are threads: slower, and Python's lock is shared. Does not say what is built, and shows nothing.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkProcess
from pathlib import Path

from builder.build import Outcome, Request, build
from builder.cache import Cache
from builder.errors import BuilderError, HostError
from builder.formats.parallel import processors
from builder.host import refusal
from builder.progress import Progress, Silent
from builder.relay import Relay, Replay
from builder.structs import Struct, replace

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


class NotStartedError(BuilderError):
    """A build was not begun, because another one had failed."""

    usual_code = "CMD002"


def build_all(
    requests: Sequence[Request],
    *,
    workers: int = 0,
    keep_going: bool = True,
    show: Callable[[Request], Progress] = lambda _: Silent(),
    done: Callable[[Result], object] = lambda _: None,
) -> list[Result]:
    """Build every request and return the results in the order of the requests.

    Downloads and the cache are shared. Whatever happens to one build is its result.

    Args:
        requests: What to build.
        workers: How many at once; zero takes one for each processor.
        keep_going: Whether more are begun after one has failed; those under way are finished.
        show: Returns where the progress of a request is shown.
        done: Told of each result when it is there.
    """
    workers = workers or processors()
    forks = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    queue = _Queue(list(enumerate(requests))[::-1], keep_going, show)
    results: dict[int, Result] = {}
    for number, result in (_forked if forks else _threaded)(queue, workers):
        results[number] = result
        queue.note(result)
        done(result)
    for number, request in queue.left:
        results[number] = Result(request, NotStartedError("not begun, as another one failed"), 0)
        done(results[number])
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


class _Queue(Struct):
    """Requests that have not been begun, the next one last."""

    left: list[tuple[int, Request]]
    keep_going: bool
    show: Callable[[Request], Progress]
    has_failed: bool = False

    def note(self, result: Result) -> None:
        """Take note of a failure."""
        self.has_failed |= isinstance(result.found, BuilderError)

    def next(self) -> tuple[int, Request] | None:
        """Return the next request, ``None`` when no more is to be begun."""
        is_over = not self.left or (self.has_failed and not self.keep_going)
        return None if is_over else self.left.pop()


def _threaded(queue: _Queue, workers: int) -> Iterator[tuple[int, Result]]:
    """Yield number and result of each request, built in threads."""
    pool = ThreadPoolExecutor(workers)
    running: dict[Future[Result], int] = {}
    try:
        while True:
            while len(running) < workers and (found := queue.next()):
                number, request = found
                running[pool.submit(_result, request, queue.show(request))] = number
            if not running:
                return
            for future in wait_for(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _forked(queue: _Queue, workers: int) -> Iterator[tuple[int, Result]]:
    """Yield number and result of each request, built in processes."""
    context = multiprocessing.get_context("fork")
    running: dict[Connection, _Running] = {}
    try:
        while True:
            while len(running) < workers and (found := queue.next()):
                started = _start(context, *found, queue.show(found[1]))
                running[started.answers] = started
            if not running:
                return
            for answers in wait(list(running)):
                heard = running[answers] if isinstance(answers, Connection) else None
                if heard is not None and (result := heard.hear()):
                    del running[heard.answers]
                    yield heard.number, result
    finally:
        for left in running.values():
            left.process.terminate()
        for left in running.values():
            left.process.join()
            left.replay.close()


class _Running(Struct, frozen=True):
    """A build in a process."""

    number: int
    request: Request
    process: ForkProcess
    answers: Connection
    begun: float
    replay: Replay

    def hear(self) -> Result | None:
        """Take one message; return how it ended when it was the last."""
        found: object = None
        with suppress(EOFError):
            found = self.answers.recv()
            if self.replay.take(found):
                return None
        self.replay.close()
        self.process.join()
        self.answers.close()
        if not isinstance(found, Outcome | BuilderError):
            found = _death(self.process.exitcode or 0)
        return Result(self.request, found, time.monotonic() - self.begun)


def _start(context: ForkContext, number: int, request: Request, shown: Progress) -> _Running:
    """Start building a request in a process."""
    answers, ours = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(request, ours))
    process.start()
    ours.close()
    replay = Replay(shown, request.announce)
    return _Running(number, request, process, answers, time.monotonic(), replay)


def _serve(request: Request, answers: Connection) -> None:
    """Build in a process and send what comes of it; the terminal's interrupt is left to the parent.

    The parent asks this process to end, which takes back what is half-made.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    relay = Relay(answers)
    try:
        answers.send(_result(replace(request, announce=relay.say), relay).found)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(_INTERRUPTED)


def _die_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(_INTERRUPTED)


def _result(request: Request, progress: Progress) -> Result:
    """Build one request; whatever goes wrong is its result."""
    begun = time.monotonic()
    found: Outcome | BuilderError
    try:
        found = build(request, Cache(), progress)
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
