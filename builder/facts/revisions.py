"""Which row of the tables a base belongs to, by what it says of itself."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from builder.facts.data import table
from builder.structs import Struct

_NAMED = re.compile(r"-(\d\.\d)-([0-9a-f]{7,12})(?=[-.])")
_LEAST_COMMIT = 7
"""Digits of a commit that name it: the shortest that a published file has."""


class Identity(Struct, frozen=True):
    """What a base is.

    Attributes:
        revision: Id of its row, such as ``3.0-Rev2-U3``.
        release: Its release, ``""`` when not even that is known.
        is_known: Whether the row is its own; else it is the least able row of its release.
    """

    revision: str
    release: str
    is_known: bool


def identify(release: str, revision: str = "", build: str = "") -> Identity:
    """Return the row of a base.

    A build that is not in the table gets the oldest published revision of its release, which
    is the least able one; a release that is not in the table the nearest that is.

    Args:
        release: Photon release, such as ``5.0``; empty when it is not known.
        revision: Name of the revision as the catalog has it, such as ``Rev2 Update3``.
        build: Leading digits of the commit that the base was built from.
    """
    rows = _rows()
    own = [row for row in rows if row["release"] == release]
    for row in rows if build else ():
        if any(_is_same(build, commit) for commit in row["commits"]):
            return Identity(row["id"], row["release"], is_known=True)
    word = _plain(revision)
    for row in own if word and not build else ():
        if word in map(_plain, row["names"]):
            return Identity(row["id"], release, is_known=True)
    fallback = own or [row for row in rows if row["release"] == _nearest(release)]
    return Identity(fallback[0]["id"], release, is_known=False)


def build_in_name(filename: str) -> tuple[str, str]:
    """Return release and build that a published file's name carries, empty when it has none."""
    found = _NAMED.search(filename)
    return (found[1], found[2]) if found else ("", "")


def revisions(release: str = "") -> list[Mapping[str, Any]]:
    """Return the rows of a release, oldest first; of all releases when none is named."""
    return [row for row in _rows() if release in {"", row["release"]}]


def releases() -> list[str]:
    """Return the releases in the table, oldest first."""
    return sorted({str(row["release"]) for row in _rows()})


def _rows() -> Sequence[Mapping[str, Any]]:
    """Return every revision in the table, oldest first within a release."""
    rows: Sequence[Mapping[str, Any]] = table("revisions")["rows"]
    return rows


def _is_same(build: str, commit: str) -> bool:
    """Return whether one is the beginning of the other, and long enough to say so."""
    shortest = min(len(build), len(commit))
    return shortest >= _LEAST_COMMIT and build[:shortest] == commit[:shortest]


def _plain(text: str) -> str:
    return "".join(text.lower().replace("revision", "rev").split()).replace("-", "")


def _nearest(release: str) -> str:
    """Return the newest release in the table that is not newer, else the oldest."""
    known = releases()
    return max((each for each in known if each <= release), default=known[0])
