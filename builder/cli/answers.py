"""Command results: text, or with ``--json`` one document with a named schema.

With ``--json`` an error is such a document, too, unless the result was already printed.
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
    """State of this run's output."""

    as_json = False
    as_lines = False
    has_answered = False
    started = 0.0


def begin(arguments: list[str]) -> None:
    """Record the start of a run and whether it prints JSON."""
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
    """Print a result as JSON or as text.

    Args:
        schema: A key of :data:`SCHEMAS`.
        value: The document.
        as_json: Print the document instead of the text.
        text: The lines.
    """
    if as_json:
        _write(document(schema, value))
    elif not events.are_the_answer():
        sys.stdout.write(text)
    note_answer()


def write_raw(value: object) -> None:
    """Print a document that already contains the name of its schema."""
    _write(value)
    note_answer()


def note_answer() -> None:
    """Record that the result was printed."""
    sys.stdout.flush()
    _Run.has_answered = True


def report_error(error: BuilderError) -> None:
    """Report an error: with ``--json`` as the result, otherwise on standard error."""
    problems = problems_of(error)
    events.emit_problems(problems, exit_code=error.exit_code)
    if not _Run.as_json or _Run.has_answered:
        show_problems(problems)
        return
    rows = rows_of(problems)
    _write(document("errors", {"exit_code": error.exit_code, "problems": rows}))
    note_answer()


def report_interrupt(error: InterruptError) -> None:
    """Report that the user interrupted the program."""
    if _Run.as_json and not _Run.has_answered:
        report_error(error)
    else:
        events.emit_problems(problems_of(error), exit_code=error.exit_code)
        sys.stderr.write(f"\n{error}\n")


def rows_of(problems: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Return problems as JSON values."""
    return [problem.row() for problem in problems]


def failed(error: BuilderError) -> dict[str, object]:
    """Return the fields of a document that describe an error."""
    return {"exit_code": error.exit_code, "problems": rows_of(problems_of(error))}


def _write(value: object) -> None:
    """Print a document, on one line where the output is JSON lines."""
    indent = None if _Run.as_lines else 2
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")
