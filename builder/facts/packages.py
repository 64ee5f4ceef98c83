"""Which packages an image holds, and which units they bring."""

import fnmatch
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.facts.data import covers, table, value_for

COMMON = "common"
"""Row of the packages that all images but a board's and a container's hold."""


@functools.cache
def packages_of(image: str, revision: str, arch: str) -> frozenset[str]:
    """Return the packages of an image; empty when the table does not have it."""
    images = table("packages")["images"]
    own = images.get(image)
    if own is None or not covers(own.get("on", "all"), revision):
        return frozenset()
    names = _named(own["rows"], revision)
    if own["has_common"]:
        names |= _named(images[COMMON]["rows"], revision)
    if arch == "aarch64":
        names -= _named(own.get("aarch64_lacks", ()), revision)
    return frozenset(names)


def version_of(package: str, revision: str) -> str:
    """Return version and release of a package, empty when the table does not have it."""
    rows = table("packages")["versions"]["rows"]
    return str(value_for(rows.get(package, {}), revision) or "")


def unit_rows(revision: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows that say which units a package brings."""
    for row in table("units")["rows"]:
        if covers(row["on"], revision):
            yield row


def units_of(package: str, revision: str) -> tuple[str, ...]:
    """Return the units that a package is known to bring."""
    found = [
        unit
        for row in unit_rows(revision)
        if row["package"] == package
        for unit in (*row["units"].split(), *row["enables"].split())
        if "*" not in unit
    ]
    return tuple(dict.fromkeys(found))


def packages_with(unit: str, revision: str) -> tuple[str, ...]:
    """Return the packages that are known to bring a unit, or the template of an instance."""
    names = {unit, _template(unit)}
    found = (row["package"] for row in unit_rows(revision) if names & set(_units(row)))
    return tuple(dict.fromkeys(found))


def with_required(names: Iterable[str], revision: str) -> frozenset[str]:
    """Return packages together with those that they require, as far as these bring units."""
    named = set(names)
    for row in table("units")["required"]:
        if row["package"] in named and covers(row["on"], revision):
            named |= set(row["with"].split())
    return frozenset(named)


def may_bring(name: str, unit: str, revision: str) -> bool:
    """Return whether a package may bring a unit that no row names: its spec has a glob for it."""
    patterns = (row["units"].split() for row in unit_rows(revision) if row["package"] == name)
    return any(fnmatch.fnmatch(unit, pattern) for row in patterns for pattern in row)


def asked_for(unit: str, revision: str) -> str:
    """Return the package to ask for when a unit is wanted, empty when none is known.

    Of several, the one that has the unit's name: ``docker`` has the client too, which
    ``docker-engine`` does not require.
    """
    bring = packages_with(unit, revision)
    rows = [row for row in table("units")["required"] if covers(row["on"], revision)]
    more = (row["package"] for row in rows if set(bring) & set(row["with"].split()))
    stem = unit.partition(".")[0]
    return next((name for name in (*bring, *more) if name == stem), next(iter(bring), ""))


def is_preset(unit: str, revision: str) -> bool:
    """Return whether a package that brings a unit has it enabled when it is installed."""
    if any(
        row["unit"] == unit and row["verb"] == "disable" and covers(row["on"], revision)
        for row in table("units")["presets"]
    ):
        return False
    return any(unit in row["enables"].split() for row in unit_rows(revision))


def linked_units(revision: str) -> frozenset[str]:
    """Return the units of systemd itself that are enabled."""
    links = (row["links"] for row in table("units")["links"] if covers(row["on"], revision))
    return frozenset(link.rpartition("/")[2] for text in links for link in text.split())


def _units(row: Mapping[str, Any]) -> list[str]:
    return [*row["units"].split(), *row["enables"].split()]


def _template(unit: str) -> str:
    """Return the template of an instance, the unit itself when it is not one."""
    head, at, tail = unit.partition("@")
    return f"{head}@.{tail.rpartition('.')[2]}" if at else unit


def _named(rows: Any, revision: str) -> set[str]:  # noqa: ANN401 - rows of a table
    """Return the names in the rows that hold for a revision."""
    return {name for row in rows if covers(row["on"], revision) for name in row["names"].split()}
