"""What a target refuses before anything is downloaded: keys and changes that it cannot carry."""

from collections.abc import Iterable

from builder.changes import Change
from builder.errors import UnsupportedError
from builder.features import Feature
from builder.plan import Plan
from builder.spec import Spec
from builder.targets import Target, discover


def features_for(spec: Spec, target: Target, features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the features that mean something for a target.

    Raises:
        UnsupportedError: the spec has keys that mean something for boards alone, and the target
            is none; names every such key with its place, and the targets that take it.
    """
    known = tuple(features)
    if target.is_board:
        return known
    keys = {feature.key for feature in known if feature.for_boards}
    found = [
        (overlay.document.place((*overlay.prefix, key), key=True), key)
        for overlay in spec.overlays
        for key in overlay.values
        if key in keys
    ]
    if found:
        shown = "; ".join(f"{place}: {target.name} takes no `{key}`" for place, key in found)
        boards = (e.name for e in discover().values() if isinstance(e, Target) and e.is_board)
        raise UnsupportedError(
            f"{shown}; it is for {', '.join(sorted(boards))}",
            code="OUT004",
            hint="drop it, or give the targets that take it a spec of their own",
        )
    return tuple(feature for feature in known if not feature.for_boards)


def check_support(plan: Plan, supports: frozenset[type[Change]], target: str) -> None:
    """Refuse a plan that ``target`` cannot carry, before anything is downloaded.

    Raises:
        UnsupportedError: names every step that cannot be carried, not just the first.
    """
    refused = [step for step in plan.steps if type(step.change) not in supports]
    if refused:
        wanted = "; ".join(sorted({str(step) for step in refused}))
        raise UnsupportedError(f"target {target} cannot carry {wanted}")
