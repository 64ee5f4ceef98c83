"""What to ask a guest, and when its answer is right."""

import shlex
from enum import StrEnum

from builder.errors import UsageError
from builder.structs import Struct

INSTALLATION, FIRST, SECOND = "installation", "first boot", "second boot"

_LONGEST_LINE = 2000
"""Terminals take 4096 bytes a line, termios(3); quotes take more room than they look."""


class Match(StrEnum):
    """How an answer is compared with what is wanted."""

    SAME = "same"
    WORDS = "words"
    LINE = "line"
    SUCCESS = "success"


class Check(Struct, frozen=True):
    """A question to the guest.

    Attributes:
        name: What should be true, as a sentence.
        command: Shell command that finds out.
        wanted: The answer.
        match: ``SAME``: the answer, white space put together. ``WORDS``: every word is among
            the answer's. ``LINE``: it is one of the lines. ``SUCCESS``: the exit status is zero.
        patience: Seconds during which a wrong answer is asked for again, counted from the answer
            to the first question of a boot, which is whether the boot has come to its end.
        only: The boot on which it is asked; empty for every one.
    """

    name: str
    command: str
    wanted: str = ""
    match: Match = Match.SAME
    patience: float = 0
    only: str = ""

    def accepts(self, code: int, out: str) -> bool:
        """Tell whether that is the wanted answer."""
        match self.match:
            case Match.SAME:
                return out.split() == self.wanted.split()
            case Match.WORDS:
                return set(self.wanted.split()) <= set(out.split())
            case Match.LINE:
                return self.wanted.strip() in {line.strip() for line in out.splitlines()}
            case Match.SUCCESS:
                return code == 0


class Result(Struct, frozen=True):
    """What came of a check.

    Attributes:
        boot: Which boot: ``INSTALLATION``, ``FIRST`` or ``SECOND``.
        name: What should be true.
        passed: Whether it is.
        wanted: The answer that was wanted.
        found: What the guest answered.
        seconds: How long it took.
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
    """Return the question whether a shell script succeeds.

    Args:
        name: Of the script.
        script: Its text, which is typed at the console.

    Raises:
        UsageError: it cannot be typed.
    """
    lines = script.split("\n")
    if any(not line.isprintable() or len(line.encode()) > _LONGEST_LINE for line in lines):
        raise UsageError(
            f"{name}: cannot be typed at a console",
            hint=f"use printable characters, no tabs, in lines of at most {_LONGEST_LINE} bytes",
        )
    return Check(f"{name} succeeds", command("sh", "-c", script), "", Match.SUCCESS)
