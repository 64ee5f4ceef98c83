"""Checks of a running guest, and their results."""

import shlex
from enum import StrEnum

from builder.errors import UsageError
from builder.structs import Struct

INSTALLATION, FIRST, SECOND = "installation", "first boot", "second boot"

_LONGEST_LINE = 2000
"""Terminals accept 4096 bytes a line, termios(3); quoting makes lines longer."""


class Match(StrEnum):
    """How the output of a check is compared with the expected one."""

    SAME = "same"
    WORDS = "words"
    LINE = "line"
    SUCCESS = "success"


class Check(Struct, frozen=True):
    """A check of the guest.

    Attributes:
        name: The expectation, as a sentence.
        command: Shell command.
        wanted: Its expected output.
        match: ``SAME``: equal, except for white space. ``WORDS``: every word is in the output.
            ``LINE``: a line of the output is equal. ``SUCCESS``: the exit status is zero.
        retry_seconds: How long a failed check is repeated, from the end of the first check of a
            boot, which waits for the boot's jobs.
        only: The boot on which it runs; empty for every one.
    """

    name: str
    command: str
    wanted: str = ""
    match: Match = Match.SAME
    retry_seconds: float = 0
    only: str = ""

    def accepts(self, code: int, out: str) -> bool:
        """Return whether exit status and output are as expected."""
        match self.match:
            case Match.SAME:
                return out.split() == self.wanted.split()
            case Match.WORDS:
                return set(self.wanted.split()) <= set(out.split())
            case Match.LINE:
                return self.wanted.strip() in {line.strip() for line in out.splitlines()}
            case Match.SUCCESS:
                return code == 0


class CheckResult(Struct, frozen=True):
    """The result of a check.

    Attributes:
        boot: ``INSTALLATION``, ``FIRST`` or ``SECOND``.
        name: The expectation.
        passed: Whether it is met.
        wanted: Expected output.
        found: Output of the guest.
        seconds: Duration.
    """

    boot: str
    name: str
    passed: bool
    wanted: str = ""
    found: str = ""
    seconds: float = 0


def command(*words: str) -> str:
    """Return words as a shell command, quoted."""
    return shlex.join(words)


def script_check(name: str, script: str) -> Check:
    """Return the check that a shell script succeeds.

    Args:
        name: Name of the script.
        script: Its text, which is typed at the console.

    Raises:
        UsageError: it has unprintable characters or long lines.
    """
    lines = script.split("\n")
    if any(not line.isprintable() or len(line.encode()) > _LONGEST_LINE for line in lines):
        raise UsageError(
            f"{name}: cannot be typed at a console",
            hint=f"use printable characters, no tabs, in lines of at most {_LONGEST_LINE} bytes",
        )
    return Check(f"{name} succeeds", command("sh", "-c", script), "", Match.SUCCESS)
