"""The linter: every diagnostic with its explanation, and the checks that need no base.

Each module here, or in a package here, is one area, a tuple ``RULES``; the file is enough.
Codes of faults that features, documents, schema, carriers and the plan raise have their
explanation here too.
"""

import contextlib
import functools
import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping

from builder.errors import Diagnostic, UsageError, in_order
from builder.facts import Facts
from builder.rules.model import Rule, Subject
from builder.spec import Spec
from builder.structs import replace
from builder.suggest import did_you_mean

__all__ = [
    "Rule",
    "Subject",
    "check_parts",
    "check_rules",
    "discover",
    "explain",
    "of_rule",
    "rules_for",
]


_ONLY_WITH = {"compose": "compose", "media": "install"}
"""Modules that find something only in a spec that has a key: for others they are not imported."""


@functools.cache
def discover() -> tuple[Rule, ...]:
    """Return every rule of this package, by code."""
    return _named(_modules())


def rules_for(keys: Collection[str]) -> tuple[Rule, ...]:
    """Return the rules that a spec with some keys can break, by code."""
    wanted = {"", *keys}
    return _named(n for n in _modules() if _ONLY_WITH.get(n.partition(".")[0], "") in wanted)


def _modules() -> Iterator[str]:
    prefix = f"{__name__}."
    for module in pkgutil.walk_packages(__path__, prefix):
        yield module.name.removeprefix(prefix)


def _named(modules: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules of some modules of this package, by code."""
    read = (importlib.import_module(f"{__name__}.{name}") for name in modules)
    found = [rule for module in read for rule in getattr(module, "RULES", ())]
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


def check_rules(spec: Spec, bases: Mapping[str, Facts] | None = None) -> tuple[Diagnostic, ...]:
    """Return every breach of a rule, in the order of the places.

    Args:
        spec: A valid spec.
        bases: What is known of the base of each target, by its name.
    """
    subject = Subject(spec, bases or {})
    rules = rules_for({*spec.keys, *spec.sections})
    found = (each for rule in rules for each in _breaches(rule, subject))
    return in_order(filter(spec.reports, found))


def check_parts(spec: Spec, bases: Mapping[str, Facts]) -> Iterator[Diagnostic]:
    """Yield every breach of a rule by a spec with parts that are not valid.

    A rule that stumbles over one of them finds nothing more.
    """
    subject = Subject(spec, bases)
    for rule in discover():
        with contextlib.suppress(Exception):
            yield from _breaches(rule, subject)


def _breaches(rule: Rule, subject: Subject) -> Iterator[Diagnostic]:
    """Yield every breach of one rule."""
    for found in rule.check(subject) if rule.check else ():
        yield of_rule(rule, found)


def of_rule(rule: Rule, found: Diagnostic) -> Diagnostic:
    """Return a breach with the code and severity of its rule, unless it has its own."""
    return found if found.code else replace(found, code=rule.code, severity=rule.severity)
