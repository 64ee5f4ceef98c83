"""Which of two versions of a package is newer, as rpm decides it.

Format: rpm's ``rpmvercmp`` (docs/manual/dependencies.md): runs of digits compare as numbers, runs
of letters as text, a number is newer than letters, other characters only separate. ``~`` sorts
before everything, the end included; ``^`` after the end and before everything else.
"""

import re

Age = tuple[int, tuple[tuple[int, int, str], ...], tuple[tuple[int, int, str], ...]]
"""Orders the versions of one package, the oldest first."""

_PIECES = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_BEFORE_END, _END, _AFTER_END, _LETTERS, _DIGITS = range(5)
_MARKS = {"~": _BEFORE_END, "^": _AFTER_END}
_MOST_DIGITS = 64
"""Longer runs of digits are cut: no package counts that far, and Python refuses 4,300."""


def age_of(epoch: int, version: str, release: str) -> Age:
    """Return what orders a version among others: the epoch first, the release last."""
    return epoch, _pieces(version), _pieces(release)


def _pieces(text: str) -> tuple[tuple[int, int, str], ...]:
    return *map(_rank, _PIECES.findall(text)), (_END, 0, "")


def _rank(piece: str) -> tuple[int, int, str]:
    if piece.isdigit():
        return _DIGITS, int(piece[:_MOST_DIGITS]), ""
    return (_MARKS[piece], 0, "") if piece in _MARKS else (_LETTERS, 0, piece)
