"""The command ``verify``: is a file sound, and is it what a spec says; if not, in which way."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.artifact import digest_of, provenance_path, read_provenance
from builder.build import Request, leaks_of, prepare, wanted_of
from builder.cli.answers import write_result
from builder.cli.options import (
    PATH,
    base_option,
    json_option,
    question,
    reporter,
    target_of,
    warn,
)
from builder.cli.reading import read_spec
from builder.errors import VerifyError
from builder.job import Wanted
from builder.plan import Plan
from builder.plan_record import Difference, name_of, since
from builder.structs import Struct

if TYPE_CHECKING:
    from builder.leaks import Leak

_LATEST = 1 << 36
_MOST = 5
"""Changes that are named one by one."""


class _Asked(Struct, frozen=True):
    """What a spec asks of a file.

    Attributes:
        request: What would build it.
        wanted: What it should hold; ``None`` when nobody can tell any more.
        edited: How the plan differs from that of the build; ``None`` when nothing recorded it.
    """

    request: Request
    wanted: Wanted | None
    edited: Difference | None


@click.command()
@click.argument("artifact", type=PATH)
@click.argument("spec", required=False)
@click.option("--target", "-t", help="The target, when the file does not tell it.")
@base_option
@json_option
def verify(
    artifact: Path, spec: str | None, *, target: str | None, base: str | None, as_json: bool
) -> None:
    """Prove a finished file: its container is sound, and it is what the spec says.

    The file is opened afresh; every digest of its container is checked. An ISO is read by
    pycdlib, too: both readers must see the same names, sizes, places and boot entries.
    When the spec was edited since the build, what differs is named.
    """
    from builder import verify as proofs

    record = read_provenance(artifact)
    asked = None
    if spec is not None:
        read = read_spec(spec, quiet=True, base=base)
        request = question(read, target_of(artifact, read, target))
        asked = _ask(request, artifact, record)
    wanted = asked.wanted if asked else None
    work_out = asked.request.target.work_out if asked else None
    try:
        proof = proofs.verify(artifact, wanted, work_out, full=True)
    except proofs.UnlikeSpecError as error:
        raise _explained(error.missing, artifact, record, asked) from error
    leaks = (*proof.leaks, *_beside(artifact, wanted))
    _warn_of(leaks, artifact, asked)
    held = f", and all {proof.steps} changes of the plan are in it" if wanted is not None else ""
    if spec is not None and wanted is None:
        held = "; what was drawn for it cannot be worked out again, so its payload was not compared"
    held += _edited(asked.edited, "; since the build the spec changed: ") if asked else ""
    write_result(
        "verify",
        {
            "artifact": str(artifact),
            "kind": proof.kind,
            "steps": proof.steps,
            "leaks": [leak.message for leak in leaks],
        },
        as_json=as_json,
        text=f"{artifact}: a sound {proof.kind}{held}\n",
    )


def _warn_of(leaks: "tuple[Leak, ...]", artifact: Path, asked: _Asked | None) -> None:
    """Say where secrets stand outside of their place."""
    found = leaks_of(leaks, artifact.name)
    warn(p for p in found if asked is None or asked.request.spec.heeds(p))


def _beside(artifact: Path, wanted: Wanted | None) -> "list[Leak]":
    """Return whether the provenance beside an artifact holds a secret of its spec."""
    from builder.leaks import leaks_beside

    path = provenance_path(artifact)
    if wanted is None or not path.is_file():
        return []
    return leaks_beside(wanted, {path.name: path.read_bytes()})


def _ask(request: Request, artifact: Path, record: Mapping[str, Any]) -> _Asked:
    """Return what a spec asks of a file."""
    plan, _ = prepare(request)
    told = record.get("timestamp")
    timestamp = _time_of(artifact)
    if isinstance(told, int) and 0 < told < _LATEST:
        timestamp = told
    return _Asked(request, _wanted(request, plan, artifact, timestamp), since(record, plan))


def _time_of(artifact: Path) -> int:
    """Return the time stamp of a file, which a build sets to that of all that it writes."""
    return int(artifact.stat().st_mtime) if artifact.exists() else 0


def _wanted(request: Request, plan: Plan, artifact: Path, timestamp: int) -> Wanted | None:
    """Return what an artifact should hold, ``None`` when nobody can tell any more.

    A payload can be compared as a whole only: everything in it has to be known, what was
    downloaded too, and nothing in it may have been drawn.
    """
    from builder.cache import Cache
    from builder.inputs import with_downloads

    known = plan.without_drawn()
    if request.target.work_out is not None:
        if known.steps != plan.steps:
            return None
        known = with_downloads(known, artifact, Cache(), reporter(), offline=False)
    return wanted_of(request, known, timestamp)


def _explained(
    missing: tuple[str, ...], artifact: Path, record: Mapping[str, Any], asked: _Asked | None
) -> VerifyError:
    """Return why a sound file is not what a spec says: the spec was edited, or the file was."""
    path = asked.request.spec.path if asked else ""
    told = record.get("artifact")
    recorded = told.get("sha256") if isinstance(told, dict) else None
    edited = _edited(asked.edited, ": ") if asked else ""
    if recorded and digest_of(artifact) != recorded:
        why = "the file was changed after it was built"
    elif recorded or edited:
        why = f"{path} was edited since the build{edited}"
    else:
        why = f"it was built from another spec, or {path} was edited since"
    return VerifyError(
        f"{artifact} is not what {path} says: {why}. In the file: {'; '.join(missing)}",
        hint=f"build it again: photon-builder build {path}; without a spec, verify proves the "
        "file alone",
    )


def _edited(difference: Difference | None, before: str) -> str:
    """Return what was edited in a spec since the build; nothing when nothing was."""
    words = "; ".join(_words(difference)) if difference else ""
    return f"{before}{words}" if words else ""


def _words(difference: Difference) -> Iterator[str]:
    """Yield what was added, changed and dropped."""
    rows = (("new", difference.added), ("changed", difference.changed))
    for word, subjects in (*rows, ("no longer asked for", difference.removed)):
        names = [name_of(subject) for subject in sorted(subjects)]
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        if names:
            yield f"{word}: {', '.join(names[:_MOST])}{more}"
