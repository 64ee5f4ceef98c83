"""What came of a burn, for people and for programs."""

from typing import TYPE_CHECKING, Any

from builder.cli.answers import note_answer, rows_of, write_result
from builder.cli.report import show_error
from builder.errors import problems_of
from builder.progress import JsonLines, Progress
from builder.structs import asdict

if TYPE_CHECKING:
    from builder.burn.order import Verdict
    from builder.burn.source import Image


def report(verdicts: list["Verdict"], source: "Image", progress: Progress) -> int:
    """Show what came of every card; the exit code is that of the first failure."""
    for verdict in verdicts:
        row = _row(verdict, source)
        if isinstance(progress, JsonLines):
            progress.event("result", **row)
            note_answer()
        elif verdict.error is None:
            write_result("burn", row, as_json=False, text=_sentence(verdict, source))
    failed = [verdict.error for verdict in verdicts if verdict.error is not None]
    if len(verdicts) == 1 and failed:
        raise failed[0]
    for error in failed:
        show_error(error)
    return failed[0].exit_code if failed else 0


def _row(verdict: "Verdict", source: "Image") -> dict[str, Any]:
    """Return a verdict as plain data."""
    error = verdict.error
    return {
        "device": str(verdict.device.path),
        "serial": verdict.device.serial,
        "image": source.name,
        "size": source.size,
        "written": verdict.tally.written,
        "kept": verdict.tally.kept,
        "rewritten": verdict.tally.rewritten,
        "verified": verdict.tally.verified,
        "seconds": round(verdict.seconds, 3),
        "bytes_per_second": round(_speed(verdict)),
        "sha256": "" if error else source.digest(),
        "signature": asdict(source.signed) if source.signed and not error else None,
        "remarks": verdict.remarks,
        "next": verdict.then.text if verdict.then else "",
        "command": verdict.then.command if verdict.then else "",
        "error": str(error) if error else None,
        "problems": rows_of(problems_of(error)) if error else [],
        "exit_code": error.exit_code if error else 0,
    }


def _sentence(verdict: "Verdict", source: "Image") -> str:
    """Return what came of a card that is done."""
    from builder.burn.signed import describe

    tally, then, digest = verdict.tally, verdict.then, source.digest()
    kept = f", {tally.kept / 1e6:.0f} MB were there already" if tally.kept else ""
    again = f", {tally.rewritten} ranges had to be written twice" if tally.rewritten else ""
    remarks = "".join(f"; {remark}" for remark in verdict.remarks)
    return (
        f"{verdict.device.path}: {source.name} is on it, {tally.written / 1e6:.0f} MB written"
        f"{kept}{again} in {verdict.seconds:.1f} s ({_speed(verdict) / 1e6:.0f} MB/s), "
        f"verified: {tally.verified}{remarks}\n"
        f"  sha256 of {source.name}: {digest or 'not known: none lies beside it'}\n"
        + (f"  {describe(source.signed)}\n" if source.signed else "")
        + (f"  next: {then.text}\n" if then else "")
        + (f"    {then.command}\n" if then and then.command else "")
    )


def _speed(verdict: "Verdict") -> float:
    """Return the bytes that were written in a second, proof included."""
    return verdict.tally.written / max(verdict.seconds, 1e-3)
