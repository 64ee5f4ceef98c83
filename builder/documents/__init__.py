"""YAML 1.2 files as plain values that know where each of their parts was written.

Source: YAML 1.2.2. Beyond it: duplicate keys, explicit tags, several documents and deep nesting
are refused; ``<<`` merges, as container people use it; keys are text. This package is the only
door to PyYAML, and takes its pure scanner alone, whether libyaml is there or not.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder.documents.letters import iter_odd_letters, odd_blank_hint
from builder.documents.nodes import Node, Parser, Position
from builder.documents.pruning import without
from builder.documents.secrets import Secrets, hide_unread, is_secret, without_secrets
from builder.errors import Diagnostic, KeyPath, Place, SpecError, in_order
from builder.structs import replace as changed

__all__ = [
    "Document",
    "is_secret",
    "load_document",
    "load_with_problems",
    "parse_document",
]

MIB = 1 << 20
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What the scanner counts as the end of a line."""

_CONFLICT = re.compile("^<{7} ", re.MULTILINE)
_KEEP = "keep one of the two sides, and drop the lines with <<<<<<<, ======= and >>>>>>>"
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""What YAML does not take as text; named one by one, which compiles at once."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read.

    Attributes:
        path: The file.
        value: What it says, as plain data; not to be changed, as aliases share parts of it.
    """

    path: Path
    value: Any
    _root: Node = field(repr=False, compare=False)
    _lines: tuple[str, ...] = field(repr=False, compare=False)
    _whole: Node | None = field(default=None, repr=False, compare=False)
    """The file as it was written, of which ``_root`` may be a part."""
    _found: list[Secrets] = field(default_factory=list, repr=False, compare=False)

    def place(self, keypath: KeyPath, *, key: bool = False) -> Place:
        """Return where a value was written, or its key; the nearest known one above it, if needed.

        Args:
            keypath: Keys and list indices from the top.
            key: Whether the position of the key is wanted instead of the value's.
        """
        node, at = self._root, self._root.position
        for step in keypath:
            if step not in node.children:
                return self._place(at)
            at = node.keys.get(str(step), node.children[step].position)
            node = node.children[step]
        return self._place(at if key else node.position)

    def locate(self, found: Diagnostic, prefix: KeyPath = ()) -> Diagnostic:
        """Return a diagnostic at its position in this file, unless it has one already.

        Args:
            found: What is wrong; its path begins below ``prefix``.
            prefix: Keys from the top of the file.
        """
        if found.place:
            return found
        place = self.place((*prefix, *found.path), key=found.at_key)
        line = self.excerpt(place)
        return changed(found, path=(), at_key=False, place=place, excerpt=line)

    def spot(self, keypath: KeyPath) -> tuple[Place, str]:
        """Return where a value was written, and the line there."""
        place = self.place(keypath)
        return place, self.excerpt(place)

    def excerpt(self, place: Place) -> str:
        """Return the source line at ``place``, with anything that looks like a secret left out."""
        if not 0 < place.line <= len(self._lines):
            return ""
        whole = self._whole or self._root
        if whole.children:
            line = self._secrets(whole).hide(place.line, self._lines[place.line - 1])
        else:
            line = hide_unread(self._lines, place.line)
        return without_secrets(line.rstrip().replace("\t", " "))

    def without(self, paths: Collection[KeyPath]) -> "Document":
        """Return the document without what lies at some paths."""
        cut = [path for path in paths if path]
        root = without(self._root, cut) if cut else self._root
        return replace(self, value=root.value, _root=root, _whole=self._whole or self._root)

    def odd_keys(self) -> Iterator[KeyPath]:
        """Yield the path of each key that is not a string: a number, true, false, null."""
        yield from _odd_keys(self._root, ())

    def odd_letters(self) -> Iterator[Diagnostic]:
        """Yield the typographic quotes and blanks that are part of keys and values."""
        return iter_odd_letters(self.value)

    def _secrets(self, whole: Node) -> Secrets:
        """Return where there is what may be secret; a part of the file is asked the same."""
        if not self._found:
            self._found.append(Secrets(whole))
        return self._found[0]

    def _place(self, position: Position) -> Place:
        """Return a position as a place in this file."""
        return Place(self.path, *position)


def load_document(path: Path, *, limit: int = MIB) -> Document:
    """Read a YAML file.

    Args:
        path: The file.
        limit: Bytes it may have.

    Raises:
        SpecError: it cannot be read, or is not a single YAML 1.2 document.
    """
    return parse_document(_read(path, limit), path)


def load_with_problems(
    path: Path, *, takes_last: bool = False
) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Read a YAML file, and return what is wrong with it that did not end reading.

    Args:
        path: The file.
        takes_last: Whether the last of several equal keys counts, instead of the first.

    Raises:
        SpecError: it cannot be read, or is not a single YAML 1.2 document.
    """
    return _parse(_read(path, MIB), path, takes_last=takes_last)


def _read(path: Path, limit: int) -> str:
    """Return the text of a file.

    Raises:
        SpecError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError:
        raise _refusal(path, "YAML020", "there is no such file", _neighbours(path)) from None
    except IsADirectoryError:
        raise _refusal(path, "YAML021", "found a folder; wanted a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "check the permissions: ls -l"
        raise _refusal(path, "YAML022", f"cannot be read: {reason}", hint) from error
    if len(content) > limit:
        raise _refusal(path, "YAML023", f"is larger than {limit} bytes; is it the right file?")
    return _decode(content, path)


def parse_document(text: str, path: Path) -> Document:
    """Read YAML text; ``path`` is the file that messages name.

    Raises:
        SpecError: it is not a single YAML 1.2 document; every duplicate key is listed.
    """
    document, problems = _parse(text, path)
    if problems:
        raise SpecError(problems)
    return document


def _parse(
    text: str, path: Path, *, takes_last: bool = False
) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Return YAML text as a document, and the keys that are there twice.

    Raises:
        SpecError: it is not a single YAML 1.2 document.
    """
    text = text.removeprefix("\ufeff")
    lines = tuple(_LINE_BREAK.split(text))
    odd = _UNPRINTABLE.search(text)
    if odd:
        before = _LINE_BREAK.split(text[: odd.start()])
        position = Position(len(before), len(before[-1]) + 1)
        message = f"found the control character U+{ord(odd[0]):04X}; wanted text"
        found = Diagnostic(message, "YAML015", "delete it", place=Place(path, *position))
        raise SpecError(_with_lines((found,), lines))
    if conflict := _CONFLICT.search(text):
        place = Place(path, len(_LINE_BREAK.split(text[: conflict.start()])), 1)
        found = Diagnostic("found the marks of a merge conflict", "YAML017", _KEEP, place=place)
        raise SpecError(_with_lines((found,), lines))
    parser = Parser(text, path, lambda position: _letter(lines, position), takes_last=takes_last)
    try:
        root = parser.parse()
    except SpecError as error:
        raise SpecError(_with_lines(error.problems, lines)) from None
    return Document(path, root.value, root, lines), _with_lines(parser.found, lines)


def _odd_keys(node: Node, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the paths of odd keys at a node and below."""
    yield from ((*path, key) for key in node.odd_keys)
    for step, child in node.children.items():
        yield from _odd_keys(child, (*path, step))


def _decode(content: bytes, path: Path) -> str:
    """Return a file's text, which must be UTF-8.

    Raises:
        SpecError: it is not.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        lines = _LINE_BREAK.split(before)
        position = Position(len(lines), len(lines[-1]) + 1)
        message = f"found the byte 0x{content[error.start]:02x}; wanted UTF-8 text"
        hint = "save it as UTF-8; if it is an image, give it under `base: {file: …}`"
        place = Place(path, *position)
        raise SpecError((Diagnostic(message, "YAML014", hint, place=place),)) from None


def _letter(lines: tuple[str, ...], position: Position) -> str:
    """Return the character at a position; empty beyond the end."""
    line = lines[position.line - 1] if position.line <= len(lines) else ""
    return line[position.column - 1 : position.column]


def _with_lines(found: Iterable[Diagnostic], lines: tuple[str, ...]) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a file that was not read, in order and with its lines."""
    shown = Document(Path(), None, Node(None, Position(1, 1)), lines)
    located = []
    for each in found:
        number = each.place.line if each.place else 0
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        hint = (odd_blank_hint(line) if each.code == "YAML001" else "") or each.hint
        excerpt = shown.excerpt(each.place) if each.place else ""
        located.append(changed(each, hint=hint, excerpt=excerpt))
    return in_order(located)


def _refusal(path: Path, code: str, message: str, hint: str = "") -> SpecError:
    """Return the error for a file that cannot be read at all."""
    return SpecError((Diagnostic(f"{path}: {message}", code, hint),))


def _neighbours(path: Path) -> str:
    """Return a hint at a file nearby that may be meant."""
    import difflib

    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"there is no folder {path.parent} either"
    found = difflib.get_close_matches(path.name, names, n=1)
    others = [name for name in names if name.endswith((".yaml", ".yml"))]
    if found:
        return f"did you mean {path.parent / found[0]}?"
    return f"in {path.parent}: {', '.join(others)}" if others else ""
