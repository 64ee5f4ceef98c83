"""What a command answers: text for people or, under ``--json``, one document with a named schema.

An error is such a document, too, unless the answer is out already: then it is told as text.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping

from builder.cli import events
from builder.cli.report import show_problems
from builder.cli.schemas import SCHEMAS
from builder.errors import BuilderError, Diagnostic, InterruptError, problems_of


class _Run:
    """What this run of the program prints."""

    as_json = False
    as_lines = False
    has_answered = False
    started = 0.0


def begin(arguments: list[str]) -> None:
    """Take note of a new run and of whether it has to answer in JSON."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    _Run.as_json = "--json" in options
    _Run.as_lines = options[:1] == ["burn"]
    _Run.has_answered = False
    _Run.started = time.time()
    events.reset()


def started() -> float:
    """Return when the run began, in seconds since the epoch."""
    return _Run.started


def document(schema: str, value: Mapping[str, object]) -> dict[str, object]:
    """Return a document with the name of its schema, of those in :data:`SCHEMAS`."""
    if schema not in SCHEMAS:
        raise KeyError(schema)
    return {"schema": f"photon-builder/{schema}/v1", **value}


def write_result(schema: str, value: Mapping[str, object], *, as_json: bool, text: str) -> None:
    """Print a result: JSON, or lines for people.

    Args:
        schema: Of the document, as :data:`SCHEMAS` names it.
        value: The document.
        as_json: Whether ``--json`` was given.
        text: The lines.
    """
    if as_json:
        _write(document(schema, value))
    elif not events.are_the_answer():
        sys.stdout.write(text)
    note_answer()


def write_raw(value: object) -> None:
    """Print a document that has its schema from elsewhere."""
    _write(value)
    note_answer()


def note_answer() -> None:
    """Take note that the answer is out."""
    sys.stdout.flush()
    _Run.has_answered = True


def tell_error(error: BuilderError) -> None:
    """Say what went wrong: under ``--json`` as the answer, otherwise to standard error."""
    problems = problems_of(error)
    events.emit_problems(problems, exit_code=error.exit_code)
    if not _Run.as_json or _Run.has_answered:
        show_problems(problems)
        return
    rows = rows_of(problems)
    _write(document("errors", {"exit_code": error.exit_code, "problems": rows}))
    note_answer()


def tell_interrupt(error: InterruptError) -> None:
    """Say that the user stopped the program, which is no fault."""
    if _Run.as_json and not _Run.has_answered:
        tell_error(error)
    else:
        events.emit_problems(problems_of(error), exit_code=error.exit_code)
        sys.stderr.write(f"\n{error}\n")


def rows_of(problems: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Return problems as plain data."""
    return [problem.row() for problem in problems]


def failed(error: BuilderError) -> dict[str, object]:
    """Return an error as a part of a document."""
    return {"exit_code": error.exit_code, "problems": rows_of(problems_of(error))}


def _write(value: object) -> None:
    """Print a document; where each line is one, in a line."""
    indent = None if _Run.as_lines else 2
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")
