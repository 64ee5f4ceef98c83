"""The ``.env`` beside a compose file, and the files of ``env_file``: read and written.

Source: Docker's manual, "Set environment variables", syntax of ``.env`` files, and what compose
2.33 does where that leaves a choice: a value in quotes may have several lines, a file is refused
as a whole, and a variable may stand for those before it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from builder.guest.compose.interpolation import expand
from builder.structs import Struct, field

_BLANKS = "\t\v\f\r \x85\xa0"
"""What may stand around a name; line breaks are not among them."""

_EXPORT = re.compile(r"export(?=[\t\n\f\r ])")
_ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})')
_ESCAPED = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "$": "$$",
    '"': '"',
    "\\": "\\",
}
_OCTAL = re.compile("[0-3][0-7]{2}")
_SAFE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_BOOLEANS = {True: "true", False: "false"}


_ASSIGN = "write NAME=value; a name has letters, digits and `_`"
_QUOTE = "put the value in single quotes"


class EnvError(ValueError):
    """The text is not a ``.env`` file; the message shows no value, which may be a secret.

    Attributes:
        line: Where, counted from one.
        hint: What to write instead.
    """

    def __init__(self, line: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.line = line
        self.hint = hint


class Assignment(Struct, frozen=True):
    """A statement of a ``.env`` file.

    Attributes:
        name: The variable.
        start: Where the statement begins in the text.
        end: Where it ends.
        value: The value as written, quotes taken off; ``None`` for a name alone.
        is_literal: Whether the value stands in single quotes, and so is not expanded.
    """

    name: str
    start: int
    end: int
    value: str | None
    is_literal: bool = False


class EnvFile(Struct, frozen=True):
    """What a ``.env`` file says.

    Attributes:
        variables: Name to value; of a name given twice, the last.
        error: Why compose refuses the file; the variables are those before that.
    """

    variables: dict[str, str]
    error: EnvError | None = None


class _Reader(Struct):
    """Reads the statements of one text."""

    text: str
    position: int = 0
    found: list[Assignment] = field(default_factory=list)

    def statements(self) -> Iterator[Assignment]:
        """Yield each statement."""
        while self._skip():
            start = self.position
            name, end = self._name()
            if end == "\n":
                yield Assignment(name, start, self.position, None)
                continue
            value, is_literal = self._value()
            yield Assignment(name, start, self.position, value, is_literal)

    def _skip(self) -> bool:
        """Go to the next statement; return whether there is one."""
        while self.position < len(self.text):
            if self.text[self.position] == "#":
                self.position = self._line_end()
            elif not self.text[self.position].isspace():
                return True
            else:
                self.position += 1
        return False

    def _name(self) -> tuple[str, str]:
        """Return a name, and what ends it: ``=``, ``:`` or a line break; empty at the end."""
        if export := _EXPORT.match(self.text, self.position):
            self.position = export.end()
        while self.position < len(self.text) and self.text[self.position] in _BLANKS:
            self.position += 1
        start = self.position
        if start == len(self.text):
            self._refuse(start, "found no name after `export`", _ASSIGN)
        for position in range(start, len(self.text)):
            letter = self.text[position]
            if letter in "=:\n":
                name = self.text[start:position].rstrip()
                if " " in name:
                    self._refuse(start, "found a space in the name of a variable", _ASSIGN)
                self.position = position + 1
                return name, letter
            if letter not in _BLANKS and letter not in "_.-[]" and not letter.isalnum():
                message = f"found {letter!r} in the name of a variable"
                self._refuse(start, message, _ASSIGN)
        return "", ""

    def _value(self) -> tuple[str, bool]:
        """Return a value, and whether it is literal; expanding it is left to others."""
        while self.position < len(self.text) and self.text[self.position] in _BLANKS:
            self.position += 1
        quote = self.text[self.position : self.position + 1]
        if quote in {'"', "'"}:
            return self._quoted(quote), quote == "'"
        start, end = self.position, self._line_end()
        self.position = min(end + 1, len(self.text))
        return self.text[start:end].partition(" #")[0].rstrip(), False

    def _quoted(self, quote: str) -> str:
        letters: list[str] = []
        start, position = self.position, self.position + 1
        while position < len(self.text):
            letter = self.text[position]
            following = self.text[position + 1 : position + 2]
            if letter == quote:
                self.position = position + 1
                value = "".join(letters)
                return value if quote == "'" else _ESCAPE.sub(_unescaped, value)
            if letter == "\\" and following:
                letters.append(following if following == quote else letter + following)
                position += 1
            else:
                letters.append(letter)
            position += 1
        return self._refuse(start, "found no end of the quoted value", "close the quote")

    def _line_end(self) -> int:
        """Return where the line ends."""
        found = self.text.find("\n", self.position)
        return found if found >= 0 else len(self.text)

    def _refuse(self, position: int, message: str, hint: str) -> NoReturn:
        """Give up at a position."""
        raise EnvError(self.text.count("\n", 0, position) + 1, message, hint)


def parse_env(text: str, given: Mapping[str, str] | None = None) -> EnvFile:
    """Return the variables of a ``.env`` file.

    Args:
        text: Its text.
        given: Variables that are set already; they go before those of the file.
    """
    set_already, text = given or {}, text.removeprefix("\ufeff")
    variables: dict[str, str] = {}
    try:
        for statement in iter_statements(text):
            known = {**variables, **set_already}
            if statement.value is None:
                if statement.name in known:
                    variables[statement.name] = known[statement.name]
            else:
                variables[statement.name] = _expanded(statement, known, text)
    except EnvError as error:
        return EnvFile({**variables, **set_already}, error)
    variables.pop("", None)
    return EnvFile({**variables, **set_already})


def iter_statements(text: str) -> Iterator[Assignment]:
    """Yield the statements of a ``.env`` file.

    Raises:
        EnvError: compose refuses the file.
    """
    yield from _Reader(text.removeprefix("\ufeff")).statements()


def without_names(text: str, names: Mapping[str, object]) -> str:
    """Return the text of a ``.env`` file without the statements that set one of ``names``."""
    text = text.removeprefix("\ufeff")
    kept, position = [], 0
    try:
        for statement in iter_statements(text):
            if statement.name in names:
                kept.append(text[position : statement.start])
                position = statement.end
    except EnvError:
        pass  # the caller reports what is wrong with the file
    return "".join((*kept, text[position:]))


def text_beside(compose_file: Path) -> str:
    """Return the text of the ``.env`` beside a compose file; nothing when there is none."""
    path = compose_file.parent / ".env"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def env_text(value: object) -> str:
    """Return what a plain value of YAML is as a variable."""
    return _BOOLEANS[value] if isinstance(value, bool) else str(value)


def format_env(name: str, value: str) -> str:
    """Return a statement of a ``.env`` file that means exactly ``value``.

    Raises:
        ValueError: no statement can mean it, as it holds a NUL.
    """
    if "\0" in value:
        raise ValueError(f"the value of {name} holds a NUL character")
    if _SAFE.fullmatch(value):
        return f"{name}={value}"
    if "'" not in value and not value.endswith("\\"):
        return f"{name}='{value}'"
    escaped = re.sub(r'([\\"$])', r"\\\1", value)
    return f'{name}="{escaped}"'


def _expanded(statement: Assignment, known: Mapping[str, str], text: str) -> str:
    """Return the value of a statement.

    Raises:
        EnvError: it names a variable in a form that is not valid, or one that has to be set.
    """
    value = statement.value or ""
    if statement.is_literal:
        return value
    expanded, lacks = expand(value, known)
    for lack in lacks:
        if lack.is_required:
            line = text.count("\n", 0, statement.start) + 1
            if lack.is_invalid:
                raise EnvError(line, "found `${`, which begins no valid variable", _QUOTE)
            message = f"the variable {lack.name} has no value"
            raise EnvError(line, message, f"set {lack.name} above this line")
    return expanded


def _unescaped(escape: re.Match[str]) -> str:
    """Return what an escape in double quotes stands for; an unknown one stays as it is."""
    letters = escape[0][1:]
    if not letters.startswith("0"):
        return _ESCAPED.get(letters, escape[0])
    digits = letters[1:]
    return chr(int(digits, 8)) if _OCTAL.fullmatch(digits) else f"\\{digits}"
