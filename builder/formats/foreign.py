"""Runs external programs: each command is logged, a failure is an error.

A build runs no external program; `boot`, `burn` and the tests do.
Programs are started without a shell, so no argument is ever interpreted.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from builder import log
from builder.errors import ToolError
from builder.structs import Struct

_SYSTEM = ("/usr/sbin", "/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_LAST_LINES = 8
_PATIENCE_SECONDS = 5.0
"""How long a program may take to end after it was asked to."""


class Done(Struct, frozen=True):
    """Result of a program.

    Attributes:
        code: Exit status; negative for a signal.
        out: Standard output.
        err: Standard error.
    """

    code: int
    out: str
    err: str


class Running(Struct, frozen=True):
    """A running program.

    Attributes:
        argv: Its command line.
        log: File with its output.
    """

    argv: tuple[str, ...]
    log: Path
    _process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit status; ``None`` while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise an error if it has failed.

        Raises:
            ToolError: it exited with a failure; the message has its last lines of output.
        """
        code = self.code
        if code:
            raise _failure(self.argv, code, self.log.read_text(errors="replace"))

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether it ended within that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Stop it: SIGTERM first, then SIGKILL."""
        if self.code is None:
            self._process.terminate()
            if not self.wait(_PATIENCE_SECONDS):
                self._process.kill()
        self._process.wait()


def find_tool(*names: str, hint: str = "") -> str:
    """Return the path of the first of these programs that is installed.

    Raises:
        ToolError: none of them is installed.
    """
    search = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM))
    found = next((path for name in names if (path := shutil.which(name, path=search))), None)
    if found is None:
        raise ToolError(f"{' or '.join(names)}: program not installed", hint=hint)
    return found


def run_tool(
    argv: Sequence[str | Path],
    *,
    text: str = "",
    seconds: float | None = None,
    accept: Sequence[int] = (0,),
) -> Done:
    """Run a program and return its result.

    Args:
        argv: Its command line.
        text: Its standard input.
        seconds: Timeout.
        accept: Exit statuses that count as success.

    Raises:
        ToolError: it cannot be started, took too long, or failed; with its last lines.
    """
    command = _logged(argv)
    try:
        ended = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{command[0]}: did not end within {seconds:g} s") from error
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror or error}") from error
    out, err = (stream.decode(errors="replace") for stream in (ended.stdout, ended.stderr))
    if ended.returncode not in accept:
        raise _failure(command, ended.returncode, err or out)
    return Done(ended.returncode, out, err)


@contextmanager
def start_tool(argv: Sequence[str | Path], log: Path) -> Iterator[Running]:
    """Start a program in the background, and stop it when the context ends.

    Args:
        argv: Its command line.
        log: File that receives its output.

    Raises:
        ToolError: it cannot be started.
    """
    command = _logged(argv)
    with log.open("wb") as sink:
        running = Running(tuple(command), log, _started(command, sink))
    try:
        with _ending_with_us(running.pid):
            yield running
    finally:
        running.stop()


def lend_terminal(argv: Sequence[str | Path]) -> int:
    """Run a program on this terminal and return its exit status.

    Raises:
        ToolError: it cannot be started.
    """
    command = _logged(argv)
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror or error}") from error
    try:
        with _ending_with_us(process.pid):
            return process.wait()
    finally:
        process.kill()
        process.wait()


@contextmanager
def _ending_with_us(pid: int) -> Iterator[None]:
    """Have a program killed when we end in a way that leaves no time for it, such as SIGKILL.

    A shell waits at a pipe that only we hold open; that the pipe closes is our end, on any system.
    """
    argv = ["/bin/sh", "-c", 'read -r _; kill -s KILL "$1"', "guard", str(pid)]
    guard = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def _started(command: list[str], sink: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program in a group of its own: a Ctrl-C is ours, and we end it."""
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror or error}") from error


def _logged(argv: Sequence[str | Path]) -> list[str]:
    """Return a command line as text, logged."""
    command = [str(part) for part in argv]
    log.info("running %s", shlex.join(command))
    return command


def _failure(argv: Sequence[str], code: int, said: str) -> ToolError:
    """Return the error for a program that failed."""
    error = ToolError(f"{Path(argv[0]).name}: failed with exit status {code}")
    for line in said.strip().splitlines()[-_LAST_LINES:]:
        error.add_note(line)
    return error
