"""The tables of ``data/facts/``: read when they are first asked for, JSON because that takes 1 ms.

``on`` of a row names the revisions that it holds for: their ids, a release for all of its
revisions, or ``all``.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "data" / "facts"


@functools.cache
def table(name: str) -> Mapping[str, Any]:
    """Return one of the tables: ``revisions``, ``packages``, ``units``, ``kernel``, ``system``."""
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_bytes())
    return loaded


@functools.cache
def covers(on: str, revision: str) -> bool:
    """Return whether the revisions that ``on`` names include ``revision``."""
    return bool({"all", revision, revision.partition("-")[0]} & set(on.split()))


def row_for(rows: Iterable[Mapping[str, Any]], revision: str) -> Mapping[str, Any]:
    """Return the row that holds for a revision, an empty one when there is none."""
    return next((row for row in rows if covers(row["on"], revision)), {})


def value_for(values: Mapping[str, Any], revision: str) -> Any:  # noqa: ANN401 - whatever the table has
    """Return the value under the key that names a revision, ``None`` when there is none."""
    return next((value for on, value in values.items() if covers(on, revision)), None)
