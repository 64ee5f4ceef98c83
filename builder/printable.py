"""Texts of others on a terminal: a name may hold what moves the cursor or forges a line."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Control characters, marks of direction and the like, and ends of lines and paragraphs."""


def printable(text: str) -> str:
    """Return a text on one line, with what cannot be seen spelled out as in Python.

    Bytes that are not UTF-8 (surrogates) stay.
    """
    if text.isprintable():
        return text
    return "".join(
        repr(letter)[1:-1] if unicodedata.category(letter) in _HIDDEN else letter for letter in text
    )
