"""The one scanner of YAML files: PyYAML's own, where YAML 1.2 says otherwise in our words.

PyYAML may or may not have libyaml, which takes other texts as YAML; so files of users are read
without it, the same everywhere. Source: YAML 1.2.2, chapters 6 (white space), 7.3.3 (plain style)
and 8.1.1 (block scalar headers). Beyond PyYAML's scanner: a tab separates words and may end a
line; in brackets, too, a plain word may hold `?`, and begin with `?`, `:` or `-`; the name of an
anchor may hold any sign but brackets and commas; a comment has a blank before it.
"""

import re
from typing import Any, NoReturn

import yaml
from yaml.scanner import ScannerError
from yaml.tokens import ScalarToken, Token

_BREAKS = "\r\n\x85\u2028\u2029"
_ENDS = f"\0{_BREAKS}"
_BLANKS = f"\0 \t{_BREAKS}"
_FLOW = ",[]{}"
_ENDS_OF_KEYS = frozenset("\"']}")
"""What a key ends with that may have its colon right behind it, in brackets."""

_NO_WORD = frozenset(f"{_BLANKS}-?:,[]{{}}#&*!|>'\"%@`")
_WORD_IF_FOLLOWED = frozenset("-?:")
_COMMENT = re.compile(f"#[^{_ENDS}]*")
_SPACES = re.compile(" *")
_BLANK = re.compile("[ \t]*")
_BLOCK_WORD = re.compile(f"(?:[^:{_BLANKS}]|:(?![{_BLANKS}]))*")
_FLOW_WORD = re.compile(rf"(?:[^:,\[\]{{}}{_BLANKS}]|:(?![,\[\]{{}}{_BLANKS}]))*")
_IN_SINGLE_QUOTES = re.compile(f"[^'{_BLANKS}]+")
_IN_DOUBLE_QUOTES = re.compile(rf"[^\"\\{_BLANKS}]+")
_ANCHOR_SIGN = re.compile("[&*]")
_ANCHOR = re.compile(rf"[^,\[\]{{}}{_BLANKS}]+")
_HEADER = re.compile(r"([+-])?([1-9])?([+-])?")

DEPTH = 64
"""Levels of nesting that are read."""

Mark = Any
"""A position, as PyYAML has it."""


class TooDeepError(Exception):
    """Brackets are nested too deeply; ``mark`` is where."""

    def __init__(self, mark: Mark) -> None:
        super().__init__("too deep")
        self.mark = mark


class Scanner(yaml.SafeLoader):
    """Reads the events of a text; the whole of it is in the buffer, with a NUL at the end."""

    flow_level: int
    allow_simple_key: bool
    indent: int
    column: int
    pointer: int
    index: int
    buffer: str

    def fetch_flow_collection_start(self, token: type[Token]) -> None:
        """Take an opening bracket; PyYAML looks at all that are open at each token."""
        if self.flow_level >= DEPTH:
            raise TooDeepError(self._mark())
        untyped: Any = super()
        untyped.fetch_flow_collection_start(token)

    def scan_to_next_token(self) -> None:
        """Go beyond blanks, comments and line breaks; a tab indents no line."""
        while True:
            in_line = self.flow_level or not self.allow_simple_key
            self._take(_BLANK if in_line else _SPACES)
            if self.pointer == 0 or self.buffer[self.pointer - 1] in _BLANKS:
                self._take(_COMMENT)
            if not self._line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_anchor(self, token: type[Token]) -> Token:
        """Return an anchor or an alias; its name ends at a blank or, as always, at a bracket."""
        start = self._mark()
        self._take(_ANCHOR_SIGN)
        name = self._take(_ANCHOR)
        if not name:
            raise ScannerError(
                "while scanning an anchor", start, "expected alphabetic or numeric character",
                self._mark(),
            )  # fmt: skip
        untyped: Any = token
        found: Token = untyped(name, start, self._mark())
        return found

    def check_plain(self) -> bool:
        """Return whether a plain word begins here."""
        letter = self.buffer[self.pointer]
        if letter not in _NO_WORD:
            return True
        return letter in _WORD_IF_FOLLOWED and not self._is_indicator()

    def check_key(self) -> bool:
        """Return whether `?` begins a key here."""
        return self._is_indicator()

    def check_value(self) -> bool:
        """Return whether `:` begins a value here."""
        is_behind_key = self.pointer > 0 and self.buffer[self.pointer - 1] in _ENDS_OF_KEYS
        return self._is_indicator() or bool(self.flow_level and is_behind_key)

    def _is_indicator(self) -> bool:
        """Return whether a letter that may begin a word is by itself."""
        following = self.buffer[self.pointer + 1]
        return following in _BLANKS or bool(self.flow_level and following in _FLOW)

    def scan_plain(self) -> ScalarToken:
        """Return the plain word, or words, that begin here; they may go on below."""
        parts: list[str] = []
        start = end = self._mark()
        spaces: list[str] = []
        pattern = _FLOW_WORD if self.flow_level else _BLOCK_WORD
        while self.buffer[self.pointer] != "#" and (word := self._take(pattern)):
            self.allow_simple_key = False
            parts += [*spaces, word]
            end = self._mark()
            spaces = self.scan_plain_spaces(self.indent + 1, start)
            is_out = not self.flow_level and self.column < self.indent + 1
            if not spaces or is_out:
                break
        return ScalarToken("".join(parts), True, start, end)

    def scan_plain_spaces(self, indent: int, _: Mark) -> list[str]:
        """Return what stands between two parts of a plain word; nothing when it is over."""
        blanks = self._take(_BLANK)
        first = self._line_break()
        if not first:
            return [blanks] if blanks else []
        self.allow_simple_key = True
        breaks: list[str] = []
        while not self._is_document_mark():
            self._take(_SPACES)
            if self.flow_level or self.column >= indent:
                self._take(_BLANK)
            following = self._line_break()
            if not following:
                folded = " " if first == "\n" else first
                return breaks if breaks and first == "\n" else [folded, *breaks]
            breaks.append(following)
        return []

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: Mark) -> list[str]:
        """Return the word that comes next in quotes; PyYAML has the escapes, letter by letter."""
        word = self._take(_IN_DOUBLE_QUOTES if double else _IN_SINGLE_QUOTES)
        untyped: Any = super()
        rest: list[str] = untyped.scan_flow_scalar_non_spaces(double, start_mark)
        return [word, *rest] if word else rest

    def scan_flow_scalar_spaces(self, double: bool, start_mark: Mark) -> list[str]:
        """Return what stands between two words in quotes; PyYAML has the line breaks."""
        blanks = self._take(_BLANK)
        if self.buffer[self.pointer] not in _ENDS:
            return [blanks]
        untyped: Any = super()
        breaks: list[str] = untyped.scan_flow_scalar_spaces(double, start_mark)
        return breaks

    def scan_block_scalar_indicators(self, start_mark: Mark) -> tuple[bool | None, int | None]:
        """Return what a header of a block of text says: keep or strip its end, and its indent."""
        found = _HEADER.match(self.buffer, self.pointer)
        if not found or self.buffer[found.end()] not in _BLANKS or (found[1] and found[3]):
            self._stop(start_mark, "expected chomping or indentation indicators")
        self._take(_HEADER)
        sign = found[1] or found[3]
        return (sign == "+" if sign else None), (int(found[2]) if found[2] else None)

    def scan_block_scalar_ignored_line(self, start_mark: Mark) -> None:
        """Go beyond what follows the header of a block of text: blanks, and a comment."""
        if self._take(_BLANK):
            self._take(_COMMENT)
        if self.buffer[self.pointer] not in _ENDS:
            self._stop(start_mark, "expected a comment or a line break")
        self._line_break()

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Return what comes next of a pattern that holds no line breaks, and go beyond it."""
        found = pattern.match(self.buffer, self.pointer)
        if not found:
            return ""
        length = found.end() - self.pointer
        self.pointer += length
        self.index += length
        self.column += length
        return found[0]

    def _line_break(self) -> str:
        """Return the line break that comes next, and go beyond it; empty when there is none."""
        untyped: Any = self
        return str(untyped.scan_line_break())

    def _mark(self) -> Mark:
        """Return the position."""
        untyped: Any = self
        return untyped.get_mark()

    def _is_document_mark(self) -> bool:
        """Return whether a line that begins or ends a document comes next."""
        mark = self.buffer[self.pointer : self.pointer + 3]
        at_start = self.column == 0 and mark in {"---", "..."}
        return at_start and self.buffer[self.pointer + 3] in _BLANKS

    def _stop(self, start: Mark, message: str) -> NoReturn:
        """Give up on a block of text."""
        raise ScannerError("while scanning a block scalar", start, message, self._mark())
