"""Did you mean: the known word that is nearest to a mistyped one."""

from collections.abc import Iterable
from pathlib import Path

_LIKENESS = 0.6


def nearest(word: str, known: Iterable[str], *, likeness: float = _LIKENESS) -> str:
    """Return the known word that ``word`` is most like, capitals aside; empty when none is.

    Args:
        word: The word.
        known: What it may have been meant for.
        likeness: How much of both has to be equal, from 0 to 1.
    """
    import difflib

    folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=likeness)
    return folded[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str], *, name: str = "known") -> str:
    """Return a hint: the nearest known word, or else all of them."""
    words = list(known)
    found = nearest(word, words)
    if found:
        return f"did you mean {found}?"
    return f"{name}: {', '.join(words)}" if words else ""


def near(path: Path) -> str:
    """Return a hint at the file beside a missing one that is probably meant; empty for none."""
    try:
        found = nearest(path.name, (each.name for each in path.parent.iterdir()), likeness=0.8)
    except OSError:
        return ""
    return f"did you mean {path.with_name(found)}?" if found else ""
