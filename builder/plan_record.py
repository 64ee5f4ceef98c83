"""The record of a plan in provenance, and the difference of a later plan."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import Require, RequireModule
from builder.plain import row_of
from builder.plan import Plan, Step
from builder.structs import Struct, field

_DIGITS = 16
"""Hex digits of a digest: enough to tell the changes of one plan from each other."""


class Difference(Struct, frozen=True):
    """How a plan differs from that of the last build.

    Attributes:
        added: Subjects of new changes.
        changed: Subjects of changes that are different now.
        removed: Subjects that are gone, to the key that requested them.
    """

    added: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    removed: Mapping[str, str] = field(default_factory=dict)

    def sign(self, step: Step) -> str:
        """Return ``+`` for an added step, ``~`` for a changed one, a blank for the others."""
        subject = step.change.subject
        return "+" if subject in self.added else "~" if subject in self.changed else " "

    def plain(self) -> dict[str, list[str]]:
        """Return it as JSON values."""
        return {
            "added": sorted(self.added),
            "changed": sorted(self.changed),
            "removed": sorted(self.removed),
        }


def changes_of(plan: Plan) -> list[dict[str, str]]:
    """Return the record of a plan: subject, key and digest of each change, no content."""
    return [
        {"subject": step.change.subject, "from": step.origin, "digest": _digest(step)}
        for step in _changing(plan)
    ]


def recorded_changes(provenance: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """Return the record of a build's plan; ``None`` without one."""
    plan = provenance.get("plan")
    rows = plan.get("changes") if isinstance(plan, Mapping) else None
    if not isinstance(rows, list):
        return None
    keys = ("subject", "from", "digest")
    return [
        {key: str(row[key]) for key in keys}
        for row in rows
        if isinstance(row, Mapping) and all(key in row for key in keys)
    ]


def since(provenance: Mapping[str, Any], plan: Plan) -> Difference | None:
    """Return the difference to the plan of a build; ``None`` without a record."""
    rows = recorded_changes(provenance)
    if rows is None:
        return None
    before = {row["subject"]: row for row in rows}
    now = {step.change.subject: _digest(step) for step in _changing(plan)}
    return Difference(
        frozenset(now.keys() - before.keys()),
        frozenset(s for s in now.keys() & before.keys() if before[s]["digest"] != now[s]),
        {subject: row["from"] for subject, row in before.items() if subject not in now},
    )


def name_of(subject: str) -> str:
    """Return a subject as text: a path alone, and no pattern of a line."""
    if subject.startswith("the line '^"):
        return f"a line of {subject.rpartition(' of ')[2]}"
    return subject.removeprefix("path ")


def _changing(plan: Plan) -> Iterator[Step]:
    """Yield the steps that change something; the others only check the base."""
    return (step for step in plan.steps if not isinstance(step.change, Require | RequireModule))


def _digest(step: Step) -> str:
    """Return a digest of a step; secrets are replaced by their digests."""
    row = json.dumps(row_of(step.change), sort_keys=True)
    return hashlib.sha256(row.encode()).hexdigest()[:_DIGITS]
