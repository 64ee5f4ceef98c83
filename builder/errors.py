"""The errors a user can cause, one class per remedy; the exit codes are those of the manual.

BuilderError                              exit   the user should
  ├─ UsageError                             2    type another command
  ├─ SpecError         (problems)           3    fix the spec
  ├─ UnsupportedError                       4    choose another target, or drop the key
  ├─ FetchError                             5    check the network
  │    └─ DigestMismatch                    6    distrust the file
  ├─ FormatError                            7    replace the base: it is damaged or unknown
  ├─ GuestError                             8    fit the spec to the base
  │    └─ NoSpaceError                      8    ask for less, or enlarge the disk
  ├─ ToolError                              9    install or fix the foreign tool
  ├─ HostError                             10    make room, or get permission, on this machine
  ├─ VerifyError                           11    look at what the finished file lacks
  └─ DeviceError                           12    choose another device, or name it as it asks

130 is an interrupt, 1 is a bug; both are made in ``builder.cli``. Each class has a code of its own,
which an error has unless it is given another one; ``builder.rules`` explains them all.
"""

import errno
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from builder.engine.errors import BuilderError, GuestError
from builder.structs import Struct

__all__ = [
    "BuilderError",
    "DeviceError",
    "Diagnostic",
    "DigestMismatch",
    "FetchError",
    "FormatError",
    "GuestError",
    "HostError",
    "InterruptError",
    "KeyPath",
    "NoSpaceError",
    "Place",
    "Severity",
    "SpecError",
    "ToolError",
    "UnsupportedError",
    "UsageError",
    "VerifyError",
    "code_of",
    "in_order",
    "problems_of",
]

_CODES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "HOST002"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "HOST003"),
    errno.ENOENT: "HOST004",
}

KeyPath = tuple[str | int, ...]
"""Where a value lies in a document: keys and list indices from the top."""


class Severity(StrEnum):
    """How much a problem matters: an error stops a build, a warning is said."""

    ERROR = "error"
    WARNING = "warning"


class Place(Struct, frozen=True, order=True):
    """A position in a text file; line and column count from one."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(Struct, frozen=True):
    """Something wrong, and where.

    Whoever finds it knows the keys that lead to it; ``Document.locate`` makes them a position in
    the file. Nobody else makes one of the other.

    Attributes:
        message: What was found and what is accepted.
        code: Its name, such as ``NET003``; see ``builder.rules``. A rule's own checks leave it
            out, and get that of the rule, and its severity.
        hint: What to type instead.
        path: Keys from the value that was examined down to the culprit, while there is no place.
        severity: Whether it stops a build.
        place: File, line and column, when they are known.
        excerpt: The source line at ``place``.
        notes: What led to it, a line each.
        at_key: Whether the last key of ``path`` is wrong, not its value.
    """

    message: str
    code: str = ""
    hint: str = ""
    path: KeyPath = ()
    severity: Severity = Severity.ERROR
    place: Place | None = None
    excerpt: str = ""
    notes: tuple[str, ...] = ()
    at_key: bool = False

    @property
    def is_error(self) -> bool:
        """Whether it stops a build."""
        return self.severity is Severity.ERROR

    @property
    def order(self) -> tuple[str, int, int, str]:
        """What diagnostics are sorted by: file, line, column and message."""
        place = self.place
        where = (str(place.file), place.line, place.column) if place else ("", 0, 0)
        return (*where, self.message)

    def row(self) -> dict[str, object]:
        """Return it as plain data."""
        place = self.place
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "hint": self.hint,
            "file": str(place.file) if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "excerpt": self.excerpt,
            "notes": list(self.notes),
        }


class UsageError(BuilderError):
    """The command line asks for something that does not exist."""

    exit_code = 2
    usual_code = "CMD001"


class SpecError(BuilderError):
    """The spec is malformed or contradictory; ``problems`` lists everything found."""

    exit_code = 3

    def __init__(self, problems: tuple[Diagnostic, ...]) -> None:
        first, *others = problems
        message = f"{len(problems)} problems in the spec" if others else first.message
        super().__init__(message, hint="" if others else first.hint, code=first.code)
        self.problems = problems

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.problems,), vars(self)


class UnsupportedError(BuilderError):
    """The target cannot carry what the spec asks for; ``problems`` has the places, where known."""

    exit_code = 4
    usual_code = "OUT009"
    problems: tuple[Diagnostic, ...] = ()


class FetchError(BuilderError):
    """A file could not be downloaded."""

    exit_code = 5
    usual_code = "FET001"


class DigestMismatch(FetchError):  # noqa: N818 - the field's word for it
    """A file's digest is not the published one."""

    exit_code = 6
    usual_code = "FET002"


class FormatError(BuilderError):
    """A file is damaged, or is not what it claims to be."""

    exit_code = 7
    usual_code = "FMT001"


class NoSpaceError(GuestError):
    """A filesystem inside the image has no room left."""

    usual_code = "GST002"


class ToolError(BuilderError):
    """A foreign tool is missing or failed."""

    exit_code = 9
    usual_code = "TOOL001"


class HostError(BuilderError):
    """This machine has no room, no permission, or a failing disk."""

    exit_code = 10
    usual_code = "HOST001"


class VerifyError(BuilderError):
    """The finished file is not what the spec says."""

    exit_code = 11
    usual_code = "VER001"


class DeviceError(BuilderError):
    """A device that must not be written, or not without more being said."""

    exit_code = 12
    usual_code = "DEV001"


class InterruptError(BuilderError):
    """The user stopped the program."""

    exit_code = 130
    usual_code = "INT001"


def problems_of(error: BuilderError) -> tuple[Diagnostic, ...]:
    """Return an error in the form in which everything is shown."""
    if isinstance(error, SpecError | UnsupportedError) and error.problems:
        return error.problems
    notes = tuple(getattr(error, "__notes__", ()))
    cause = error.__cause__
    code = error.code
    if code == HostError.usual_code and isinstance(cause, OSError):
        code = code_of(cause) or code
    return (Diagnostic(str(error), code, error.hint, notes=notes),)


def in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return diagnostics in the order of their places, each once."""
    return tuple(sorted(dict.fromkeys(found), key=lambda each: each.order))


def code_of(error: OSError) -> str:
    """Return the code of a refusal of the system; empty for one that has none of its own."""
    return _CODES.get(error.errno or 0, "")
