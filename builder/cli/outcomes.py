"""The result of a build: as text, as JSON and as an event."""

from builder.build import Outcome, Request
from builder.cli.events import emit


def row_of(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as JSON values."""
    return {
        "artifact": str(outcome.artifact),
        "sha256": outcome.sha256,
        "size": outcome.size,
        "built": outcome.built,
    }


def emit_artifact(request: Request, outcome: Outcome, seconds: float) -> None:
    """Write the event of a finished artifact."""
    named = {"spec": request.spec.name, "target": request.target.name}
    emit("artifact", **named, **row_of(outcome), seconds=round(seconds, 3))


def summary(request: Request, outcome: Outcome, seconds: float) -> str:
    """Return the result as one line of text."""
    if not outcome.built:
        return f"{name_of(request)}: nothing changed"
    size = f"{outcome.size / 1e6:.1f} MB in {seconds:.1f} s"
    digest = f"sha256 {outcome.sha256}" if outcome.sha256 else "digests in its block map"
    return f"{name_of(request)}: {size}, verified, {digest}"


def name_of(request: Request) -> str:
    """Return the name of a request as ``SPEC (TARGET)``."""
    return f"{request.spec.name} ({request.target.name})"
