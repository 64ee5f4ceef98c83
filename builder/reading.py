"""Reads a spec and checks it by every rule; all problems are reported together."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.errors import Diagnostic, SpecError, in_order
from builder.facts import Facts
from builder.features import Feature
from builder.lock import Lock, read_lock
from builder.selection import targets_of
from builder.spec import Base, Spec
from builder.structs import replace

_OF_LOCK = frozenset({"BASE002", "BASE011", "CMP020"})
"""Codes of what a lock file takes care of."""


def load_checked(path: Path, base: Base | None = None) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """Return a spec, and what the rules warn of.

    Args:
        path: The file.
        base: Taken instead of the base that the spec has.

    Raises:
        SpecError: with everything found wrong.
    """
    try:
        locked = read_lock(path.parent)
    except SpecError as error:
        more = _problems_without_lock(path, base)
        raise SpecError((*error.problems, *more)) from error
    return _checked(path, base, locked)


def _problems_without_lock(path: Path, base: Base | None) -> Iterator[Diagnostic]:
    """Yield what is wrong with a spec, whatever its lock file has."""
    try:
        _checked(path, base, Lock())
    except SpecError as error:
        yield from (problem for problem in error.problems if problem.code not in _OF_LOCK)


def _checked(path: Path, base: Base | None, locked: Lock) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """Return a spec, and what the rules warn of.

    Raises:
        SpecError: with everything found wrong.
    """
    from builder import rules, targets
    from builder.base import find_facts
    from builder.spec import InvalidSpecError, load_spec
    from builder.spec.drafts import independent

    known = targets.discover()
    try:
        spec = load_spec(path, targets=known, locked=locked, base=base)
    except InvalidSpecError as error:
        found = [
            _faults_of_parts(replace(each, pins=locked.images), locked) for each in error.drafts
        ]
        more = independent(found, error.problems)
        raise SpecError(in_order((*error.problems, *more))) from error
    bases = find_facts(spec, targets_of(spec.choice), locked)
    problems = rules.check_rules(spec, bases)
    if any(problem.is_error for problem in problems):
        raise SpecError((*problems, *_faults_of_plan(spec, bases.values(), problems)))
    return spec, problems


def _faults_of_parts(spec: Spec, locked: Lock) -> Iterator[Diagnostic]:
    """Yield what rules and features find wrong with a spec that has parts that are not valid."""
    from builder import features, rules
    from builder.base import find_facts

    bases = find_facts(spec, targets_of(spec.choice), locked)
    yield from rules.check_parts(spec, bases)
    for facts in tuple(bases.values()) or (None,):
        for feature in features.discover():
            with contextlib.suppress(
                Exception
            ):  # it may fail on problems that are already reported
                yield from _faults_of_feature(spec, feature, facts)


def _faults_of_feature(spec: Spec, feature: Feature, facts: Facts | None) -> Iterator[Diagnostic]:
    """Yield what one feature finds wrong."""
    from builder.plan import make_plan

    try:
        yield from make_plan(spec, (feature,), facts=facts).warnings
    except SpecError as error:
        yield from error.problems


def _faults_of_plan(
    spec: Spec, bases: Iterable[Facts], known: tuple[Diagnostic, ...]
) -> Iterator[Diagnostic]:
    """Yield what else the features find wrong with a spec that breaks a rule already."""
    from builder import features
    from builder.plan import make_plan

    found: list[Diagnostic] = []
    for facts in tuple(bases) or (None,):
        try:
            found += make_plan(spec, features.features_of(spec.keys), facts=facts).warnings
        except SpecError as error:
            found += error.problems
    yield from (problem for problem in dict.fromkeys(found) if problem not in known)
