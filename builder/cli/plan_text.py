"""Text output of ``plan``: downloads, changes by area, reasons, and the last build's changes."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from builder.base import Origin
from builder.build import Request
from builder.cli.areas import AREAS, SYSTEM, area_of, key_of
from builder.cli.plan_images import SHIPPED, archive_state, preload_lines
from builder.cli.report import shown_path
from builder.image_archive import Archive
from builder.plan import Plan, Step
from builder.plan_record import Difference, name_of, since
from builder.printable import printable
from builder.rules.compose.images import Named, Use, image_uses, named_images
from builder.spec import Spec
from builder.structs import Struct

_UNPUBLISHED = "no published digest: the first build trusts the download and records its digest"
_SIGNS = {"+": "added", "~": "changed", "-": "removed"}
_WHY = "          ← "


class Line(Struct, frozen=True):
    """A line of text, before it is cut to the width of the terminal.

    Attributes:
        text: What it says.
        indent: Columns before it.
        kind: What it is, for its colour; empty for an ordinary one.
    """

    text: str
    indent: int = 0
    kind: str = ""


class Before(Struct, frozen=True):
    """The last build of an artifact, by its provenance.

    Attributes:
        difference: How the plan differs from it; ``None`` when nothing was recorded.
        text: The same as text.
    """

    difference: Difference | None
    text: str


def compare_with_last(
    provenance: Mapping[str, Any], request: Request, plan: Plan, origin: Origin
) -> Before:
    """Return the changes since the last build of an artifact, by its provenance."""
    where = request.artifact
    if not provenance:
        return Before(
            None, f"no provenance of an earlier build of {where}: nothing to compare with"
        )
    found = since(provenance, plan)
    when = f"the last build ({_time(provenance.get('timestamp'))})"
    if found is None:
        return Before(None, f"{when} recorded no changes: nothing to compare with")
    counts = (("+", found.added), ("~", found.changed), ("-", found.removed))
    told = [f"{len(rows)} {_SIGNS[sign]} ({sign})" for sign, rows in counts if rows]
    base = provenance.get("base")
    name = base.get("name") if isinstance(base, Mapping) else None
    now = origin.path.name if origin.path else origin.text
    told += [f"another base (it was {name})"] if name and name != now else []
    return Before(found, f"since {when}: {', '.join(told) or 'the plan did not change'}")


def plan_lines(
    request: Request, plan: Plan, origin: Origin, before: Before, *, verbose: bool
) -> Iterator[Line]:
    """Yield a plan as text, its changes grouped by area and by the key that requested them."""
    yield Line(f"{request.artifact}  ({request.target.name}, from {origin.shown})", 0, "title")
    yield from (Line(f"download  {line}", 2) for line in _downloads(plan, origin))
    shipped = {archive.image.name.text for archive in plan.archives()}
    for row in image_rows(request.spec):
        yield Line(f"image     {_image_line(row, is_shipped=row['image'] in shipped)}", 2)
    yield from (Line(f"preload   {line}", 2) for line in preload_lines(plan.archives()))
    yield Line(before.text, 2)
    difference = before.difference or Difference()
    folded = 0
    for area in (*AREAS, SYSTEM):
        steps = [step for step in plan.steps if area_of(step.origin) == area]
        gone = [(s, o) for s, o in difference.removed.items() if area_of(o) == area]
        if not steps and not gone:
            continue
        yield from (Line(""), Line(area, 2, "title"))
        for _, found in groupby(sorted(steps, key=_by_place), key=str):
            block = list(found)
            fold = not verbose and block[0].place is None
            folded += len(block) * fold
            yield from _summed_up(block, difference) if fold else _block(block, difference)
        for subject, origin_of_it in sorted(gone):
            said = f"- {name_of(subject)}  ({key_of(origin_of_it)})"
            yield Line(said, 4, "removed")
    warned = request.target.warn(request.spec.sections)
    yield from (Line(""), *(Line(f"! {text}", 2, "warning") for text in warned))
    yield Line(
        f"{_changes(len(plan.steps))}{_folded(folded)}; the rest of the base is copied as it is", 2
    )


def fit(line: Line, width: int | None) -> str:
    """Return a line cut to a width in columns; uncut when the width is ``None``."""
    text = printable(line.text)
    start = " " * line.indent
    if width is None or len(start) + len(text) <= width:
        return f"{start}{text}".rstrip()
    return textwrap.fill(
        text,
        width,
        initial_indent=start,
        subsequent_indent=" " * (line.indent + 12),
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )


def image_rows(spec: Spec) -> list[dict[str, str]]:
    """Return the container images of the guest, and their pins in the lock file."""
    rows = []
    every: list[Use | Named] = [*image_uses(spec), *named_images(spec)]
    for use in every:
        pin = use.pin(spec)
        digest = pin.digest if pin else use.name.digest if use.name else ""
        image = "" if use.is_open else use.text
        rows.append({"service": use.user, "image": image, "digest": digest})
    return rows


def _block(steps: Sequence[Step], difference: Difference) -> Iterator[Line]:
    """Yield the changes of one key, followed by the reason that they share."""
    place = steps[0].place
    where = f"  {shown_path(place.file)}:{place.line}" if place else ""
    yield Line(f"{key_of(steps[0].origin)}{where}", 4, "hint")
    ordered = sorted(steps, key=lambda step: step.reason)
    for reason, found in groupby(ordered, key=lambda step: step.reason):
        for step in found:
            sign = difference.sign(step)
            yield Line(f"{sign} {step.change.sentence()}", 4, _SIGNS.get(sign, ""))
        if reason:
            yield Line(f"{_WHY}{reason}", 6, "faint")


def _summed_up(steps: Sequence[Step], difference: Difference) -> Iterator[Line]:
    """Yield one line for all changes of a default."""
    signs = {difference.sign(step) for step in steps}
    sign = next(iter(signs)) if len(signs) == 1 else "~"
    reasons = "; ".join(dict.fromkeys(step.reason for step in steps if step.reason))
    text = f"{sign} {key_of(steps[0].origin)}: {_changes(len(steps))}{' (' * bool(reasons)}"
    yield Line(f"{text}{reasons}{')' * bool(reasons)}", 4, _SIGNS.get(sign, ""))


def _changes(number: int) -> str:
    return f"{number} change{'s' * (number != 1)}"


def _folded(number: int) -> str:
    """Return the note about changes that are summed up."""
    return f", {number} of them by default (-v lists them)" if number else ""


def _time(timestamp: object) -> str:
    if not isinstance(timestamp, int):
        return "at an unknown time"
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "at an unknown time"


def _image_line(row: Mapping[str, str], *, is_shipped: bool) -> str:
    """Return an image as text: name, digest and service."""
    name, _, _ = row["image"].partition("@")
    digest = row["digest"] or "not locked: the tag is resolved on first boot"
    return f"{name or 'given by reference'}  ({row['service']}, {digest}{SHIPPED * is_shipped})"


def _downloads(plan: Plan, origin: Origin) -> Iterator[str]:
    """Yield the downloads, with size and whether they are cached."""
    if origin.source is not None:
        size = f"{origin.source.size / 1e6:.0f} MB, " if origin.source.size else ""
        state = _cached(origin.digests) if origin.digests else _UNPUBLISHED
        yield f"{origin.source.filename}  ({size}{state})"
    for change, download in plan.downloads():
        if isinstance(download.recipe, Archive):
            state = archive_state(download.recipe)
        else:
            state = _cached({"sha256": change.content.sha256})
        unless = f", unless the base has {change.unless}" if change.unless else ""
        yield f"{download.filename}  ({state}{unless})"


def _cached(digests: Mapping[str, str]) -> str:
    """Return whether a file is in the cache."""
    from builder.cache import Cache

    return "cached" if Cache().find(digests) else "not cached"


def _by_place(step: Step) -> tuple[str, str, int]:
    """Return the sort key of steps: by place in their file, defaults last."""
    place = step.place
    return ("~", step.origin, 0) if place is None else (str(place.file), "", place.line)
