"""Variables in a compose file: ``$NAME``, ``${NAME:-default}`` and their kin.

Source: Compose Specification, "Interpolation", and what compose 2.33 does where that leaves a
choice: a ``$`` that begins no variable stays, a braced one ends on its own line, and the braces
inside a default are counted, the character after an opening one aside. Only values are expanded,
never keys.
"""

import re
from collections.abc import Mapping

from builder.errors import KeyPath
from builder.structs import Struct, field

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLAIN = re.compile(NAME)
_HEAD = re.compile(rf"\{{({NAME})(:?[-?+])?")
_MAX_DEPTH = 16
_SHOWN = 20


class Undefined(Struct, frozen=True):
    """A variable without a value: where it stands, and what the file says about that.

    Attributes:
        path: Keys from the top of the file.
        name: Its name, or the text that is not valid.
        message: What ``${NAME:?message}`` says.
        is_required: Whether compose stops because of it.
        is_invalid: Whether the text after the ``$`` is not a valid reference to a variable.
    """

    path: KeyPath
    name: str
    message: str = ""
    is_required: bool = False
    is_invalid: bool = False


class _Text(Struct):
    """Expands one text and notes what it lacks."""

    variables: Mapping[str, str]
    path: KeyPath
    lacks: list[Undefined] = field(default_factory=list)

    def expand(self, text: str, depth: int = 0) -> str:
        """Return ``text`` with its variables' values."""
        parts, position = [], 0
        while (dollar := text.find("$", position)) >= 0:
            parts.append(text[position:dollar])
            value, position = self._reference(text, dollar + 1, depth)
            parts.append(value)
        return "".join((*parts, text[position:]))

    def _reference(self, text: str, start: int, depth: int) -> tuple[str, int]:
        """Return what the text after a dollar sign stands for, and where it ends."""
        if text.startswith("$", start):
            return "$", start + 1
        if plain := _PLAIN.match(text, start):
            return self._value(plain[0], "", ""), plain.end()
        if not text.startswith("{", start):
            return "$", start
        head = _HEAD.match(text, start)
        end = _end(text, head) if head and depth < _MAX_DEPTH else -1
        if not head or end < 0:
            shown = text[start - 1 : start + _SHOWN]
            self.lacks.append(Undefined(self.path, shown, is_required=True, is_invalid=True))
            return "", start
        name, operator = head[1], head[2] or ""
        word = self._word(name, operator, text[head.end() : end], depth) if operator else ""
        return self._value(name, operator, word), end + 1

    def _word(self, name: str, operator: str, word: str, depth: int) -> str:
        """Return an alternative or message expanded; compose reads it even when it is not used."""
        inner = _Text(self.variables, self.path)
        expanded = inner.expand(word, depth + 1)
        is_used = self._is_present(name, operator) == operator.endswith("+")
        self.lacks += [lack for lack in inner.lacks if is_used or lack.is_required]
        return expanded

    def _is_present(self, name: str, operator: str) -> bool:
        """Return whether a variable counts as set; a colon makes an empty one count as unset."""
        value = self.variables.get(name)
        return value is not None and not (operator.startswith(":") and not value)

    def _value(self, name: str, operator: str, word: str) -> str:
        """Return the value of a variable, or of the alternative."""
        present = self._is_present(name, operator)
        if operator.endswith("+"):
            return word if present else ""
        if present:
            return self.variables[name]
        if operator.endswith("-"):
            return word
        self.lacks.append(Undefined(self.path, name, word, operator.endswith("?")))
        return ""


def _end(text: str, head: re.Match[str]) -> int:
    """Return where the brace of a reference is closed, -1 when it is not."""
    if not head[2]:
        return head.end() if text.startswith("}", head.end()) else -1
    line_end = text.find("\n", head.end())
    last = text.rfind("}", head.end(), line_end if line_end >= 0 else len(text))
    depth, position = 1, head.start() + 2
    while position <= last:
        letter = text[position]
        depth += (letter == "{") - (letter == "}")
        if not depth:
            return position
        position += 2 if letter == "{" else 1
    return last


def expand(text: str, variables: Mapping[str, str]) -> tuple[str, list[Undefined]]:
    """Return one text with its variables expanded, and what was undefined."""
    found = _Text(variables, ())
    return found.expand(text), found.lacks


def interpolate(
    value: object, variables: Mapping[str, str], path: KeyPath = ()
) -> tuple[object, list[Undefined]]:
    """Return ``value`` with the variables in its texts expanded, and what was undefined."""
    lacks: list[Undefined] = []
    return _expand(value, variables, path, lacks), lacks


def _expand(
    value: object, variables: Mapping[str, str], path: KeyPath, lacks: list[Undefined]
) -> object:
    """Return ``value`` expanded, noting what is undefined in ``lacks``."""
    match value:
        case str() if "$" in value:
            text = _Text(variables, path)
            expanded = text.expand(value)
            lacks.extend(text.lacks)
            return expanded
        case dict():
            return {k: _expand(v, variables, (*path, k), lacks) for k, v in value.items()}
        case list():
            return [_expand(v, variables, (*path, i), lacks) for i, v in enumerate(value)]
        case _:
            return value
