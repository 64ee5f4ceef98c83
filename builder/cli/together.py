"""Builds of several artifacts in parallel."""

import sys
from collections.abc import Sequence

from builder.build import Outcome, Request
from builder.cli.answers import failed, write_result
from builder.cli.events import emit_problems
from builder.cli.options import reporter, warn
from builder.cli.outcomes import emit_artifact, name_of, row_of, summary
from builder.cli.report import show_error
from builder.errors import BuilderError, problems_of
from builder.executors import NotStartedError, Result, build_all
from builder.progress import above_bars


def build_together(
    requests: Sequence[Request], *, jobs: int, keep_going: bool, as_json: bool
) -> int:
    """Build every request, ``jobs`` in parallel, and return the exit code of the first failure.

    Downloads and the cache are shared; equal plans use the same content. Each result is
    printed when it finishes.
    """
    results = build_all(
        requests,
        workers=jobs,
        keep_going=keep_going,
        show=lambda request: reporter(request.spec.name, request.target.name),
        done=_report,
    )
    for one in results:
        if isinstance(one.found, BuilderError) and not isinstance(one.found, NotStartedError):
            sys.stderr.write(f"{name_of(one.request)}: failed, see above\n")
    outcomes = [one.found for one in results if isinstance(one.found, Outcome)]
    text = "".join(f"{outcome.artifact}\n" for outcome in outcomes)
    rows = [_row(one) for one in results]
    write_result("build", {"artifacts": rows}, as_json=as_json, text=text)
    lost = [one.found for one in results if isinstance(one.found, BuilderError)]
    codes = [error.exit_code for error in lost if not isinstance(error, NotStartedError)]
    return codes[0] if codes else 0


def _report(result: Result) -> None:
    """Print the result of a request."""
    with above_bars(sys.stderr):
        match result.found:
            case NotStartedError() as error:
                sys.stderr.write(
                    f"{name_of(result.request)}: {error}; use --keep-going to build all\n"
                )
            case BuilderError() as error:
                subject = result.request.spec.name, result.request.target.name
                emit_problems(problems_of(error), exit_code=error.exit_code, subject=subject)
                sys.stderr.write(f"{name_of(result.request)} failed:\n")
                show_error(error)
            case outcome:
                warn(outcome.warnings)
                emit_artifact(result.request, outcome, result.seconds)
                sys.stderr.write(f"{summary(result.request, outcome, result.seconds)}\n")


def _row(result: Result) -> dict[str, object]:
    """Return a result as JSON values."""
    target: dict[str, object] = {
        "spec": result.request.spec.name,
        "target": result.request.target.name,
    }
    if isinstance(result.found, BuilderError):
        return {**target, "error": str(result.found), **failed(result.found)}
    return {**target, **row_of(result.found)}
