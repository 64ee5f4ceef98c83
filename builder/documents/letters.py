"""Letters that word processors and web pages put in the place of quotes and blanks."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from builder.errors import Diagnostic, KeyPath, Severity

_Plain: TypeAlias = Any
"""Plain data: what YAML can say."""

BLANKS = {
    "\u00a0": "a no-break space (U+00A0)",
    "\u2007": "a figure space (U+2007)",
    "\u202f": "a narrow no-break space (U+202F)",
    "\u3000": "an ideographic space (U+3000)",
    "\u200b": "a zero-width space (U+200B)",
    "\u200e": "a left-to-right mark (U+200E)",
    "\u2060": "a word joiner (U+2060)",
    "\ufeff": "a byte order mark (U+FEFF)",
}
QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"
_LONGEST = 60
ODD_LETTER = "YAML016"


def iter_odd_letters(value: _Plain, path: KeyPath = ()) -> Iterator[Diagnostic]:
    """Yield the keys and values of a document with typographic quotes or blanks at their ends."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _in_text(str(key), (*path, key), at_key=True)
            yield from iter_odd_letters(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from iter_odd_letters(inner, (*path, index))
    elif isinstance(value, str):
        yield from _in_text(value, path, at_key=False)


def odd_blank_hint(line: str) -> str:
    """Return what is wrong with the blanks of a line that is not valid YAML; empty for nothing."""
    found = next((letter for letter in line if letter in BLANKS), "")
    return f"the line holds {BLANKS[found]}; type a plain space in its place" if found else ""


def _in_text(text: str, path: KeyPath, *, at_key: bool) -> Iterator[Diagnostic]:
    """Yield what is odd about the ends of one text, or of a single word about any of it."""
    if text.isascii():
        return
    what = "the key" if at_key else "the text"
    ends = {text[:1], text[-1:]} if "\n" not in text else {text[:1]}
    quotes = sorted(ends & set(QUOTES))
    blanks = sorted(letter for letter in BLANKS if letter in (ends if " " in text else text))
    plain = "".join(letter for letter in text if letter not in BLANKS).strip(QUOTES)
    write = f'write "{plain}"' if len(plain) <= _LONGEST and plain.isprintable() else ""
    if quotes and plain:
        message = f"{what} has typographic quotes, {' and '.join(quotes)}, which are part of it"
        hint = f"{write}, with straight quotes" if write else "use straight quotes"
        yield Diagnostic(message, ODD_LETTER, hint, path, Severity.WARNING, at_key=at_key)
    elif blanks and plain:
        message = f"{what} holds {BLANKS[blanks[0]]}"
        is_inside = blanks[0] not in ends
        hint = "type a plain space, or none, in its place" if is_inside or not write else write
        yield Diagnostic(message, ODD_LETTER, hint, path, Severity.WARNING, at_key=at_key)
