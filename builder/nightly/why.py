"""Why an artifact is built tonight: what differs from the build that made the last one."""

from collections.abc import Mapping
from typing import Any

from builder import __version__
from builder.artifact import read_provenance
from builder.build import Request, key_of, prepare
from builder.plan_record import since
from builder.structs import replace


def why_built(request: Request) -> str:
    """Return why the artifact in the output folder of a request is not up to date, as a clause.

    Raises:
        BuilderError: the request cannot be carried out as it is.
    """
    record = read_provenance(request.artifact)
    if not record:
        return "there is no earlier build"
    plan, origin = prepare(replace(request, announce=lambda _: None))
    before = _part(record, "builder").get("version")
    reasons = []
    if before != __version__:
        reasons.append(f"photon-builder was {before}, and is {__version__}")
    found = since(record, plan)
    counts = {
        "new": len(found.added) if found else 0,
        "changed": len(found.changed) if found else 0,
        "dropped": len(found.removed) if found else 0,
    }
    told = [f"{number} {word}" for word, number in counts.items() if number]
    if told:
        reasons.append(f"the plan differs: {', '.join(told)}")
    elif found is None and _part(record, "plan").get("digest") != plan.digest:
        reasons.append("the plan differs")
    if reasons:
        return "; ".join(reasons)
    if record.get("key") != key_of(request, plan, origin):
        return "its base, or what the spec has under `output`, is another"
    return "the base or the artifact itself was changed since it was built"


def _part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping of a record, an empty one where it is none."""
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}
