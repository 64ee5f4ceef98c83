"""What may be a secret in a document: by the key that it stands below, or by how it looks.

People write secrets where they do not belong, a key too high or on a line of its own, so a value
counts as one wherever a secret could be meant: the cost is a line that shows less.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from builder.documents.nodes import Node, Position
from builder.errors import KeyPath

WIDEST = 400
"""Characters of a line that are shown."""

_WORDS = (
    r"(?:password|passwd|passphrase|passcode|secret|token|psk|credential|signature|pwd"
    r"|(?:api|access|private|auth|encryption)[_-]?key)"
)
_SHORTEST = 4
"""Digits of a number that may be a secret."""
_NAMES = "secrets"
"""Key of compose files below which are the names of secrets, and where they are."""
_NAME = re.compile(rf"(?i){_WORDS}|^(?:hash|env|environment|pass|pw)$")
_SECTIONS = frozenset({"users", "wifi"})
"""Keys below which a password is likely to be written one level too high."""
_HARMLESS = frozenset(
    {"file", "source", "path", "target", "uid", "gid", "groups", "shell", "home", "expire"}
    | {"country", "hidden", "open", "priority", "random", "locked", "mode", "required"}
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_KEY = re.compile(r"\s*(?:- +)*[\"']?([\w.-]+)[\"']?\s*:(?=\s|$)")
_ASSIGNED = re.compile(
    rf"(?i)((?!{_NAMES}[\"']?\s*:){_WORDS}[\w.-]*[\"']?\s*[:=]\s*|--[\w-]*{_WORDS}[\w-]*\s+)"
    r"(?![>|]?\s*$|\{\s*(?:env|file)\b|\$\{?\w+\}?[\"']?\s*$|#)\S.*"
)
_USERINFO = re.compile(
    r"(://)(?:[^\s:@/]*:\S+|[^\s:@/]+)@|(?<![\w/])[\w.~-]+:[^\s:/@\"']+@(?!sha\d+:)"
)
"""User and password in an address, RFC 3986 section 3.2.1, or in front of a host alone."""
_QUERY = re.compile(r"(://[^\s?\"']*\?)[^\s\"']+")


_FAR = Position(1 << 60, 1)


def is_secret(path: KeyPath, value: object = "") -> bool:
    """Return whether a value at this path may be a secret."""
    names = [step for step in path if isinstance(step, str) and step != _NAMES]
    is_short = not isinstance(value, str) and len(str(value)) < _SHORTEST
    if not names or names[-1] in _HARMLESS or is_short:
        return False
    if (
        names[-1] in {"env", "environment"}
        and isinstance(value, str)
        and _VARIABLE.fullmatch(value)
    ):
        return False
    if path[-2:-1] == (_NAMES,) and isinstance(path[-1], str):
        return True
    if "options" in names and isinstance(value, str) and "=" in value:
        return True
    return any(name in _SECTIONS or _NAME.search(name) for name in names)


def without_secrets(text: str) -> str:
    """Return a line of text with anything that looks like a secret left out, and not too long."""
    is_long = len(text) > WIDEST
    line = re.sub(r"\S*$", "…", text[:WIDEST], count=1) if is_long else text
    line = _QUERY.sub(r"\1…", _USERINFO.sub(r"\1…@", line))
    return _ASSIGNED.sub(r"\1…", line)


class Secrets:
    """Where a document has what may be secret: looked for once, whatever is asked after."""

    def __init__(self, root: Node) -> None:
        starts = sorted({position for node, _ in _walk(root) for position in _positions(node)})
        self._starts = sorted({node.position for node in _secrets(root)})
        after = [bisect_right(starts, start) for start in self._starts]
        self._ends = [starts[at] if at < len(starts) else _FAR for at in after]

    def hide(self, number: int, line: str) -> str:
        """Return a line with what may be secret in it left out.

        Args:
            number: Of the line, from one.
            line: Its text.
        """
        first = bisect_right(self._ends, Position(number, 1))
        last = bisect_right(self._starts, Position(number + 1, 0))
        for at in reversed(range(first, last)):
            line = _cut(line, number, self._starts[at], self._ends[at])
        return line


def hide_unread(lines: Sequence[str], number: int) -> str:
    """Return a line of a text that is not valid, with what may be secret in it left out.

    What it belongs to follows from the indentation of the lines above it.
    """
    line = lines[number - 1]
    own = _KEY.match(line)
    names = [own[1]] if own else []
    indent = len(line) - len(line.lstrip())
    for above in reversed(lines[: number - 1]):
        found = len(above) - len(above.lstrip())
        if found < indent and (key := _KEY.match(above)):
            names.insert(0, key[1])
            indent = found
    if names and (is_secret(tuple(names), "=") or names[-1] == _NAMES):
        return f"{line[: own.end()]} …" if own else f"{' ' * (len(line) - len(line.lstrip()))}…"
    return line


def _cut(line: str, number: int, start: Position, end: Position) -> str:
    """Return a line without the part of it that lies between two positions."""
    first = start.column - 1 if start.line == number else len(line) - len(line.lstrip())
    last = end.column - 1 if end.line == number else len(line)
    return f"{line[:first]}…{line[last:]}" if line[first:last].strip() else line


def _walk(root: Node) -> Iterator[tuple[Node, KeyPath]]:
    """Yield every node and its path; what aliases stand for is bounded by the parser."""
    stack: list[tuple[Node, KeyPath]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        yield node, path
        stack += [(child, (*path, step)) for step, child in node.children.items()]


def _positions(node: Node) -> list[Position]:
    """Return where a value and its keys begin."""
    return [node.position, *node.keys.values()]


def _secrets(root: Node) -> Iterator[Node]:
    """Yield the single values that may be secrets."""
    for node, path in _walk(root):
        is_single = not isinstance(node.value, dict | list | None)
        if is_single and is_secret(path, node.value):
            yield node
