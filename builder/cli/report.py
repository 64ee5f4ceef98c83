"""How problems and errors are shown: a place, a sentence, the line, a caret, what to do."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from builder.cli.colour import paint
from builder.errors import BuilderError, Diagnostic, problems_of

_ISSUES = "the project's issue tracker"


def show_problems(problems: Iterable[Diagnostic]) -> None:
    """Show problems in the order of their places."""
    for problem in sorted(problems, key=lambda each: each.order):
        sys.stderr.write(format_problem(problem))


def format_problem(problem: Diagnostic) -> str:
    """Return a problem as people read it: the place first, so that editors can jump there."""
    place = f"{_shown_place(problem)}: " if problem.place else ""
    kind = _paint(f"{problem.severity}[{problem.code}]", problem.severity)
    text = f"{place}{kind}: {problem.message}\n"
    if problem.excerpt and problem.place:
        gutter = f"{problem.place.line:>5} | "
        caret = " " * (problem.place.column - 1) + "^"
        text += f"{gutter}{problem.excerpt}\n{' ' * 5} | {_paint(caret, problem.severity)}\n"
    text += "".join(f"  {_paint(note, 'note')}\n" for note in problem.notes)
    return text + _hint(problem.hint)


def show_error(error: BuilderError) -> None:
    """Show an error, what led to it, and what to do."""
    show_problems(problems_of(error))


def as_bug(error: Exception) -> BuilderError:
    """Return an unexpected exception as an error, and show where it came from."""
    import traceback

    sys.stderr.write("".join(traceback.format_exception(error)) + "\n")
    return BuilderError(
        f"this is a bug in photon-builder, not in your spec: {type(error).__name__}: {error}",
        hint=f"report it with the text above at {_ISSUES}",
    )


def _shown_place(problem: Diagnostic) -> str:
    """Return a place with its file relative to where the user is, when it lies below."""
    place = problem.place
    if place is None:
        return ""
    return f"{shown_path(place.file)}:{place.line}:{place.column}"


def shown_path(path: Path) -> str:
    """Return a path relative to where the user is, when it lies below."""
    shown = os.path.relpath(path)
    return shown if not shown.startswith("..") else str(path)


def _hint(text: str) -> str:
    """Return a line that says what to do."""
    return f"  {_paint('hint', 'hint')}: {text}\n" if text else ""


def _paint(text: str, kind: str) -> str:
    """Colour text for standard error."""
    return paint(text, kind, sys.stderr)
