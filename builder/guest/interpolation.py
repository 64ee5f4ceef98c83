"""Variables in a compose file: ``$NAME``, ``${NAME:-default}`` and their kin.

Source: Compose Specification, "Interpolation". Only values are expanded, never keys.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.errors import KeyPath
from builder.structs import Struct, field

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLAIN = re.compile(_NAME)
_BRACED = re.compile(rf"({_NAME})(:?[-?+])?")
_MAX_DEPTH = 16
_BOOLEANS = {True: "true", False: "false"}


class Undefined(Struct, frozen=True):
    """A variable without a value: where it stands, and what the file says about that."""

    path: KeyPath
    name: str
    message: str = ""
    is_required: bool = False


class _Text(Struct):
    """Expands one text and notes what it lacks."""

    variables: Mapping[str, str]
    path: KeyPath
    lacks: list[Undefined] = field(default_factory=list)

    def expand(self, text: str, depth: int = 0) -> str:
        """Return ``text`` with its variables' values."""
        parts, rest = [], text
        while True:
            before, dollar, rest = rest.partition("$")
            parts.append(before)
            if not dollar:
                return "".join(parts)
            value, rest = self._variable(rest, depth)
            parts.append(value)

    def _variable(self, rest: str, depth: int) -> tuple[str, str]:
        """Return the value that stands behind a dollar sign, and the text after it."""
        if rest.startswith("$"):
            return "$", rest[1:]
        if plain := _PLAIN.match(rest):
            return self._value(plain[0], "", ""), rest[plain.end() :]
        end = _closing_brace(rest)
        inner = _BRACED.match(rest, 1) if end else None
        if not inner or depth > _MAX_DEPTH or (not inner[2] and inner.end() != end):
            self.lacks.append(Undefined(self.path, f"${rest[:20]}", "is no variable", True))
            return "", ""
        word = rest[inner.end() : end]
        if inner[2] and not inner[2].endswith("?"):
            word = self._word(inner[1], inner[2], word, depth)
        return self._value(inner[1], inner[2] or "", word), rest[end + 1 :]

    def _word(self, name: str, operator: str, word: str, depth: int) -> str:
        """Return an alternative expanded, when it is the one that counts."""
        present = self._is_present(name, operator)
        return self.expand(word, depth + 1) if present == operator.endswith("+") else ""

    def _is_present(self, name: str, operator: str) -> bool:
        """Say whether a variable counts as set; a colon makes an empty one count as unset."""
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


def _closing_brace(rest: str) -> int:
    """Return where the brace that ``rest`` begins with is closed, or 0."""
    depth = 0
    for index, letter in enumerate(rest):
        if letter == "{" and (index == 0 or rest[index - 1] == "$"):
            depth += 1
        elif letter == "}":
            depth -= 1
        if not depth:
            return index
    return 0


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


def env_text(value: object) -> str:
    """Return what a plain value of YAML is as a variable."""
    return _BOOLEANS[value] if isinstance(value, bool) else str(value)


def text_beside(compose_file: Path) -> str:
    """Return the text of the ``.env`` beside a compose file; nothing when there is none."""
    path = compose_file.parent / ".env"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of a ``.env`` file; of a name given twice, the last."""
    return dict(_env_pairs(text))


def _env_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each assignment."""
    for line in map(str.strip, text.splitlines()):
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not _PLAIN.fullmatch(name.strip()):
            continue
        value = value.strip()
        quoted = re.fullmatch(r"""(['"])(.*)\1(?:\s+#.*)?""", value)
        yield name.strip(), quoted[2] if quoted else re.sub(r"(^|\s+)#.*$", "", value)


def format_env(name: str, value: str) -> str:
    """Return a line of a ``.env`` file that means exactly ``value``.

    Raises:
        ValueError: no line can mean it, as it holds a line break.
    """
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"the value of {name} holds a line break")
    if re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]*", value):
        return f"{name}={value}"
    if "'" not in value and not value.endswith("\\"):
        return f"{name}='{value}'"
    escaped = re.sub(r'([\\"$])', r"\\\1", value)
    return f'{name}="{escaped}"'
