"""Patterns that mean the same to Python's ``re`` and to POSIX extended regular expressions.

Source: POSIX.1-2017, Base Definitions, 9.4. Character classes such as ``[[:space:]]``
and letters after a backslash belong to one of the two only, so a blank is a space or a
literal tab here.
"""

BLANK = "[ \t]"
_SPECIAL = frozenset(".[]\\*^$+?(){}|")


def literal(text: str) -> str:
    """Return a pattern that matches exactly ``text``."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in text)


def key_line(key: str, separator: str = "=") -> str:
    """Return a pattern for the lines that give ``key`` a value."""
    return f"^{BLANK}*{literal(key)}{BLANK}*{separator}"


def first_word(word: str) -> str:
    """Return a pattern for the lines that begin with ``word``."""
    return f"^{BLANK}*{literal(word)}{BLANK}"
