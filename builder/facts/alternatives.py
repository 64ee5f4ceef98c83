"""Which published base can do what another cannot."""

from collections.abc import Callable

from builder.facts import Facts, facts_of, revisions


def base_with(facts: Facts, is_able: Callable[[Facts], bool]) -> str:
    """Return the name of the first later base of the same image that is able, or of an earlier one.

    Empty when no published base is able.
    """
    rows = revisions()
    own = next(number for number, row in enumerate(rows) if row["id"] == facts.revision)
    for row in (*rows[own + 1 :], *reversed(rows[:own])):
        other = facts_of(
            row["release"], revision=row["names"][0], image=facts.image, arch=facts.arch
        )
        if is_able(other):
            return other.text
    return ""


def has_option(option: str) -> Callable[[Facts], bool]:
    """Return the question whether a base's kernel has an option."""
    return lambda facts: facts.kernel_option(option) in {"y", "m"}


def has_module(module: str) -> Callable[[Facts], bool]:
    """Return the question whether a base's kernel has a module, or has it built in."""
    return lambda facts: facts.kernel_module(module) in {"y", "m"}
