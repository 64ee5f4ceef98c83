"""The results of a burn, as text and as JSON."""

from typing import TYPE_CHECKING, Any

from builder.cli.answers import note_answer, rows_of, write_result
from builder.cli.report import show_error
from builder.errors import problems_of
from builder.progress import JsonLines, Progress
from builder.structs import asdict

if TYPE_CHECKING:
    from builder.burn.api import BurnReport
    from builder.burn.session import CardResult


def report(done: "BurnReport", progress: Progress) -> int:
    """Print the result of every card; return the exit code of the first failure."""
    for card in done.cards:
        row = _row(card, done)
        if isinstance(progress, JsonLines):
            progress.event("result", **row)
            note_answer()
        elif card.error is None:
            write_result("burn", row, as_json=False, text=_text(card, done))
    failed = [card.error for card in done.cards if card.error is not None]
    if len(done.cards) == 1 and failed:
        raise failed[0]
    for error in failed:
        show_error(error)
    return failed[0].exit_code if failed else 0


def _row(card: "CardResult", done: "BurnReport") -> dict[str, Any]:
    error = card.error
    return {
        "device": str(card.device.path),
        "serial": card.device.serial,
        "image": done.image,
        "size": done.size,
        "written": card.stats.written,
        "kept": card.stats.kept,
        "rewritten": card.stats.rewritten,
        "verified": card.stats.verified,
        "seconds": round(card.seconds, 3),
        "bytes_per_second": round(_speed(card)),
        "sha256": "" if error else done.sha256,
        "signature": asdict(done.signer) if done.signer and not error else None,
        "remarks": card.remarks,
        "next": card.next_step.text if card.next_step else "",
        "command": card.next_step.command if card.next_step else "",
        "error": str(error) if error else None,
        "problems": rows_of(problems_of(error)) if error else [],
        "exit_code": error.exit_code if error else 0,
    }


def _text(card: "CardResult", done: "BurnReport") -> str:
    """Return the result of a card that is written."""
    from builder.burn.signed import describe

    stats, step = card.stats, card.next_step
    kept = f", {stats.kept / 1e6:.0f} MB were there already" if stats.kept else ""
    again = f", {stats.rewritten} ranges had to be written twice" if stats.rewritten else ""
    remarks = "".join(f"; {remark}" for remark in card.remarks)
    return (
        f"{card.device.path}: {done.image} is on it, {stats.written / 1e6:.0f} MB written"
        f"{kept}{again} in {card.seconds:.1f} s ({_speed(card) / 1e6:.0f} MB/s), "
        f"verified: {stats.verified}{remarks}\n"
        f"  sha256 of {done.image}: {done.sha256 or 'unknown: no SHA256SUMS is beside it'}\n"
        + (f"  {describe(done.signer)}\n" if done.signer else "")
        + (f"  next: {step.text}\n" if step else "")
        + (f"    {step.command}\n" if step and step.command else "")
    )


def _speed(card: "CardResult") -> float:
    """Return the bytes written in a second, read-back included."""
    return card.stats.written / max(card.seconds, 1e-3)
