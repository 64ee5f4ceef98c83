"""The serial console of a guest: waits for texts, logs in, and runs commands in a shell.

The output of a command is found between two marks, because the kernel may write to the same line at
any time.
"""

import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import VerifyError
from builder.structs import Struct

_PIECE = 1 << 16
_LOOK_SECONDS = 1.0
_TAIL_LINES = 15
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])"
)
# A line that is still being received may end in "Last login: ".
_LOGIN = r"(?<!Last )login: *$"
_SECOND_PROMPT = r"[Pp]assword: *$"
_REFUSED = r"Login incorrect|Authentication failure"
_EXPIRED = r"(?i)required to change|(?:new|current) password: *$|password .*expired"
_PROMPT = r"[#$] *$"
_DEAD_ENDS = {
    r"Kernel panic - not syncing": "the kernel panics",
    r"(?:Give root password|Press Enter) for maintenance|the root account is locked": (
        "the guest stops in emergency mode: something that it does not start without is missing"
    ),
    r"\(initramfs\) *$": "the initrd does not find the root filesystem",
    r"grub(?: rescue)?> *$": "GRUB finds no configuration",
}
"""Last output of a machine that does not start, and what it means."""


class CommandOutput(Struct, frozen=True):
    """Exit status and output of a command in the guest."""

    code: int
    out: str


class Console:
    """The host's end of a serial line.

    Attributes:
        text: Everything the guest wrote, without escape sequences.
    """

    def __init__(self, connection: socket.socket, alive: Callable[[], None]) -> None:
        self._connection = connection
        self._alive = alive
        self._raw = bytearray()
        self._seen = 0
        self._count = 0
        self._is_over = False
        self.text = ""

    def expect(self, *patterns: str, seconds: float, what: str) -> int:
        """Wait until the guest has written one of the patterns; return which.

        Args:
            *patterns: Regular expressions, tried in order on what was not yet expected.
            seconds: How long to wait.
            what: What is waited for, in words.

        Raises:
            VerifyError: none came in time; with the last lines.
        """
        end = time.monotonic() + seconds
        while True:
            for index, pattern in enumerate(patterns):
                found = re.search(pattern, self.text[self._seen :])
                if found:
                    self._seen += found.end()
                    return index
            self._receive_more(end, seconds, what)

    def expect_start(self, pattern: str, *, seconds: float, what: str) -> None:
        """Wait until the guest has started, as the pattern shows.

        Raises:
            VerifyError: it did not in time, or reports that it cannot; with the last lines.
        """
        index = self.expect(pattern, *_DEAD_ENDS, seconds=seconds, what=what)
        if index:
            raise self._failure(list(_DEAD_ENDS.values())[index - 1])

    def expect_end(self, *, seconds: float, what: str) -> None:
        """Wait until the machine is switched off.

        Raises:
            VerifyError: it is not in time, or QEMU fails; with the last lines.
        """
        end = time.monotonic() + seconds
        while not self._is_over:
            self._receive_more(end, seconds, what, may_end=True)

    def type(self, line: str) -> None:
        """Type a line."""
        self._connection.sendall(f"{line}\n".encode())

    def log_in(self, user: str, password: str, *, seconds: float) -> None:
        """Wait for the login prompt and log in.

        Raises:
            VerifyError: there is no prompt, or the guest rejects the password.
        """
        self.expect_start(_LOGIN, seconds=seconds, what="the login prompt")
        self.type(user)
        self.expect(_SECOND_PROMPT, seconds=seconds, what="the password prompt")
        self.type(password)
        patterns = (_REFUSED, _EXPIRED, _PROMPT)
        answer = self.expect(*patterns, seconds=seconds, what=f"a shell for {user}")
        if answer == patterns.index(_REFUSED):
            raise self._failure(f"the guest rejects the password of {user}")
        if answer == patterns.index(_EXPIRED):
            raise self._failure(f"the guest asks {user} for a new password")

    def open_shell(self, *, seconds: float) -> None:
        """Replace the login shell by one that neither echoes nor prompts."""
        self.type("exec env PS1= PS2= ENV= LC_ALL=C TERM=dumb sh")
        self.type("stty -echo -onlcr; PS1=; PS2=; unset HISTFILE; dmesg -n 1 2>/dev/null")
        self.run("true", seconds=seconds)

    def run(self, command: str, *, seconds: float) -> CommandOutput:
        """Run a command in the shell.

        Raises:
            VerifyError: it does not end in time.
        """
        self._count += 1
        begin, end = f"<pb-{self._count}<", f">pb-{self._count}>"
        # The marks are typed in two halves, so that the echo of this line does not match.
        self.type(
            f"printf '%s%s' '<pb' '-{self._count}<'; {{ {command}\n}} </dev/null 2>&1; "
            f"printf '%s%s%d;' '>pb' '-{self._count}>' $?"
        )
        start = self._seen
        self.expect(rf"{re.escape(end)}\d+;", seconds=seconds, what=f"the end of `{command}`")
        whole = self.text[start : self._seen]
        out, _, rest = whole.partition(begin)[2].rpartition(end)
        return CommandOutput(int(rest.rstrip(";")), out.replace("\r", "").strip())

    def _receive_more(
        self, end: float, seconds: float, what: str, *, may_end: bool = False
    ) -> None:
        """Receive what the guest writes in the next second.

        Raises:
            VerifyError: the time is over, or the machine was switched off unexpectedly.
        """
        if time.monotonic() > end:
            raise self._failure(f"waited {seconds:g} s for {what}")
        self._receive(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))
        if self._is_over and not may_end:
            raise self._failure("the machine was switched off")

    def _receive(self, seconds: float) -> None:
        ready, _, _ = select.select([self._connection], [], [], seconds)
        if not ready:
            self._alive()
            return
        piece = self._connection.recv(_PIECE)
        if not piece:
            self._alive()
            self._is_over = True
            return
        self._raw += piece
        self.text = _ESCAPES.sub("", self._raw.decode(errors="replace"))

    def _failure(self, message: str) -> VerifyError:
        """Return an error with the last lines of the console."""
        error = VerifyError(message)
        for line in self.text.replace("\r", "").splitlines()[-_TAIL_LINES:]:
            error.add_note(f"console: {line}")
        return error


@contextmanager
def open_console(
    path: Path, alive: Callable[[], None], *, seconds: float = 10.0
) -> Iterator[Console]:
    """Connect to a serial line on a Unix socket, which may take a moment to appear.

    Args:
        path: The socket.
        alive: Raises when the machine has ended.
        seconds: How long to wait for the socket.
    """
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as connection:
        while True:
            try:
                connection.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                alive()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        yield Console(connection, alive)
