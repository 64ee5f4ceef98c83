"""The linter: every diagnostic with its explanation, and the checks that need no base.

Each module here is one area, a tuple ``RULES``; the file is enough. Codes of faults that
features, documents, schema, carriers and the plan raise have their explanation here too.
"""

import contextlib
import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from builder.documents import problem_order
from builder.errors import Problem, UsageError
from builder.facts import Facts
from builder.rules.model import Finding, Rule, Subject
from builder.spec import Spec
from builder.suggest import did_you_mean

__all__ = [
    "Finding",
    "Rule",
    "Subject",
    "check_parts",
    "check_rules",
    "discover",
    "explain",
    "problem_of",
]


@functools.cache
def discover() -> tuple[Rule, ...]:
    """Return every rule of this package, by code."""
    modules = (
        importlib.import_module(m.name) for m in pkgutil.iter_modules(__path__, f"{__name__}.")
    )
    found = [rule for module in modules for rule in getattr(module, "RULES", ())]
    return tuple(sorted(found, key=lambda rule: rule.code))


def explain(code: str) -> Rule:
    """Return the rule of a code, capitals or not.

    Raises:
        UsageError: there is no such code.
    """
    rules = {rule.code: rule for rule in discover()}
    found = rules.get(code.upper())
    if found is None:
        hint = did_you_mean(code, rules)
        raise UsageError(f"there is no diagnostic {code!r}", hint=hint)
    return found


def check_rules(spec: Spec, bases: Mapping[str, Facts] | None = None) -> tuple[Problem, ...]:
    """Return every breach of a rule, in the order of the places.

    Args:
        spec: A valid spec.
        bases: What is known of the base of each target, by its name.
    """
    problems = dict.fromkeys(_iter_problems(Subject(spec, bases or {})))
    return tuple(sorted(filter(spec.heeds, problems), key=problem_order))


def check_parts(spec: Spec, bases: Mapping[str, Facts]) -> Iterator[Problem]:
    """Yield every breach of a rule by a spec with parts that are not valid.

    A rule that stumbles over one of them finds nothing more.
    """
    subject = Subject(spec, bases)
    for rule in discover():
        with contextlib.suppress(Exception):
            for finding in rule.check(subject) if rule.check else ():
                yield problem_of(rule, finding)


def _iter_problems(subject: Subject) -> Iterator[Problem]:
    """Yield the findings of each rule with their position."""
    for rule in discover():
        for finding in rule.check(subject) if rule.check else ():
            yield problem_of(rule, finding)


def problem_of(rule: Rule, finding: Finding) -> Problem:
    """Return a finding with its position."""
    document = finding.document
    place = finding.place or document.place(finding.path, key=finding.at_key)
    excerpt = "" if finding.place else document.excerpt(place)
    severity = finding.severity or rule.severity
    return Problem(finding.message, rule.code, finding.hint, severity, place, excerpt)
