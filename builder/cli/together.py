"""Several artifacts built side by side, none of which loses the others."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from builder.build import Outcome, Request
from builder.cli.options import warn, write_result
from builder.cli.report import show_error
from builder.errors import BuilderError

if TYPE_CHECKING:
    from builder.executors import Result


def build_together(requests: Iterable[Request], *, as_json: bool) -> int:
    """Build every request, as many at once as there are processors, and sum up what came of it.

    Downloads and the cache are shared; equal plans draw on the same content. Returns the exit
    code of the first failure, zero without one.
    """
    from builder.executors import build_all

    results = build_all(list(requests))
    code = 0
    for one in results:
        if isinstance(one.found, BuilderError):
            sys.stderr.write(f"{_name(one.request)} failed:\n")
            show_error(one.found)
            code = code or one.found.exit_code
    outcomes = [one.found for one in results if isinstance(one.found, Outcome)]
    warn(problem for outcome in outcomes for problem in outcome.warnings)
    sys.stderr.write("".join(f"{_line(one)}\n" for one in results))
    text = "".join(f"{outcome.artifact}\n" for outcome in outcomes)
    write_result([_row(one) for one in results], as_json=as_json, text=text)
    return code


def row_of(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as plain data."""
    return {
        "artifact": str(outcome.artifact),
        "sha256": outcome.sha256,
        "size": outcome.size,
        "built": outcome.built,
    }


def summary(request: Request, outcome: Outcome, seconds: float) -> str:
    """Say what was done."""
    if not outcome.built:
        return f"{_name(request)}: nothing changed"
    size = f"{outcome.size / 1e6:.1f} MB in {seconds:.1f} s"
    digest = f"sha256 {outcome.sha256}" if outcome.sha256 else "digests in its block map"
    return f"{_name(request)}: {size}, verified, {digest}"


def _name(request: Request) -> str:
    """Name a request."""
    return f"{request.spec.name} ({request.target.name})"


def _line(result: "Result") -> str:
    """Sum up one result."""
    if isinstance(result.found, BuilderError):
        return f"{_name(result.request)}: failed, see above"
    return summary(result.request, result.found, result.seconds)


def _row(result: "Result") -> dict[str, object]:
    """Return a result as plain data."""
    target: dict[str, object] = {"target": result.request.target.name}
    if isinstance(result.found, BuilderError):
        return {**target, "error": str(result.found), "exit_code": result.found.exit_code}
    return {**target, **row_of(result.found)}
