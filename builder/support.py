"""What a target refuses before anything is downloaded: keys and changes that it cannot carry."""

from collections.abc import Iterable

from builder.changes import Change
from builder.errors import Diagnostic, UnsupportedError
from builder.features import Feature
from builder.plan import Plan
from builder.spec import Overlay, Spec
from builder.targets import Target, discover

_HINT = "drop it, or give the targets that take it a spec of their own"


def features_for(spec: Spec, target: Target, features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the features that mean something for a target.

    Raises:
        UnsupportedError: the spec has keys that mean nothing for the target, such as those for
            boards alone; names every such key with its place, and what would take it.
    """
    known = tuple(features)
    if target.takes:
        _check_keys(spec, target)
        _check_sections(spec, target)
        return tuple(feature for feature in known if feature.key in target.takes)
    if target.is_board:
        _check_sections(spec, target)
        return known
    keys = {feature.key for feature in known if feature.for_boards}
    boards = sorted(e.name for e in discover().values() if isinstance(e, Target) and e.is_board)
    found = tuple(
        _refused_key(overlay, key, f"{target.name} takes no `{key}`; it is for {', '.join(boards)}")
        for overlay in spec.overlays
        for key in overlay.values
        if key in keys
    )
    if found:
        raise _refusal(found, "; ".join(f"{each.place}: {each.message}" for each in found))
    _check_sections(spec, target)
    return tuple(feature for feature in known if not feature.for_boards)


def check_support(plan: Plan, supports: frozenset[type[Change]], target: str) -> None:
    """Refuse a plan that ``target`` cannot carry, before anything is downloaded.

    Raises:
        UnsupportedError: names every step that cannot be carried, not just the first.
    """
    refused = [step for step in plan.steps if type(step.change) not in supports]
    if refused:
        wanted = "; ".join(sorted({str(step) for step in refused}))
        found = dict.fromkeys(
            Diagnostic(f"{target} cannot carry {step.origin}", "OUT005", _HINT, place=step.place)
            for step in refused
        )
        raise _refusal(tuple(found), f"target {target} cannot carry {wanted}")


def _check_sections(spec: Spec, target: Target) -> None:
    """Refuse a spec without a section that a target needs: it may be named on the command line.

    Raises:
        UnsupportedError: the spec lacks such a section; names all of them.
    """
    needed = {
        key: schema
        for key, schema in target.sections.items()
        if schema.get("required") and key not in spec.sections
    }
    found = tuple(
        Diagnostic(
            f"{target.name} needs `{key}`: {schema['description']}",
            "OUT003",
            f"add `{key}: {schema['examples'][0]}`",
            place=spec.document.place(()),
        )
        for key, schema in needed.items()
    )
    if found:
        raise _refusal(found, "; ".join(each.message for each in found))


def _check_keys(spec: Spec, target: Target) -> None:
    """Refuse the keys that a target does not take.

    Raises:
        UnsupportedError: the spec has such keys; names all of them.
    """
    taken = ", ".join(sorted(target.takes))
    found = tuple(
        _refused_key(overlay, key, f"{target.name} takes no `{key}`; it takes {taken}")
        for overlay in spec.overlays
        for key in overlay.values
        if key not in target.takes
    )
    if found:
        raise _refusal(found, "; ".join(f"{each.place}: {each.message}" for each in found))


def _refused_key(overlay: Overlay, key: str, message: str) -> Diagnostic:
    """Return the problem of a key that a target does not take."""
    found = Diagnostic(message, "OUT004", _HINT, (key,), at_key=True)
    return overlay.document.locate(found, overlay.prefix)


def _refusal(problems: tuple[Diagnostic, ...], message: str) -> UnsupportedError:
    found = UnsupportedError(message, code=problems[0].code, hint=_HINT)
    found.problems = problems
    return found
