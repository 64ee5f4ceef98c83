"""Values with their positions, from the events of the YAML scanner.

Reads events one by one, so hostile nesting is refused before it costs anything, and an alias
shares its anchor's value, so nothing is ever expanded; what it would expand to is counted.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import yaml
from yaml import events

from builder.documents.plain import plain_value
from builder.documents.scanner import DEPTH, Scanner, TooDeepError
from builder.documents.syntax import explain_refusal
from builder.errors import Diagnostic, Place, SpecError
from builder.structs import Struct, field

EXPANDED = 20_000
"""Nodes that aliases may stand for in one file."""

_LOADER: Any = Scanner

_MERGE = "<<"


class Position(NamedTuple):
    """A line and a column, from one."""

    line: int
    column: int


class Mark(Protocol):
    """A position as the scanner counts it: from zero."""

    @property
    def line(self) -> int:
        """Lines before it."""

    @property
    def column(self) -> int:
        """Characters before it in its line."""


class Node(Struct):
    """A value and where it was written.

    Attributes:
        value: Plain data.
        position: Where the value begins.
        keys: Position of each key of a mapping.
        odd_keys: The keys that are not strings by themselves, such as numbers.
        children: Nodes of a mapping by key, or of a list by index.
        weight: Nodes it stands for, aliases expanded.
    """

    value: Any
    position: Position
    keys: dict[str, Position] = field(default_factory=dict)
    odd_keys: tuple[str, ...] = ()
    children: dict[str | int, "Node"] = field(default_factory=dict)
    weight: int = 1

    def add(self, key: str | int, child: "Node") -> None:
        """Take a child in."""
        self.children[key] = child
        self.weight += child.weight


class Parser:
    """Makes the nodes of one text."""

    def __init__(
        self,
        text: str,
        path: Path,
        letter_at: Callable[[Position], str],
        *,
        takes_last: bool = False,
    ) -> None:
        self.found: list[Diagnostic] = []
        self._path = path
        self._loader = _LOADER(text)
        self._letter_at = letter_at
        self._takes_last = takes_last
        self._anchors: dict[str, Node | None] = {}
        self._expanded = 0

    def parse(self) -> Node:
        """Return the node of the only document.

        Raises:
            SpecError: the text is not one YAML 1.2 document; with everything found up to there.
        """
        try:
            return self._document()
        except yaml.MarkedYAMLError as error:
            self._refuse(error)
        except yaml.reader.ReaderError:
            self._stop(Position(1, 1), "YAML015", "found bytes that are not text")
        except TooDeepError as error:
            message = f"found more than {DEPTH} levels of nesting"
            self._stop(_position_of_mark(error.mark), "YAML003", message)
        except RecursionError:
            self._stop(Position(1, 1), "YAML003", f"found more than {DEPTH} levels")
        finally:
            self._loader.dispose()

    def _document(self) -> Node:
        """Read the stream, which must hold one document."""
        self._loader.get_event()
        start = self._loader.get_event()
        if isinstance(start, events.StreamEndEvent):
            self._stop(Position(1, 1), "YAML008", "found nothing; wanted keys and values")
        if start.version not in (None, (1, 2)):
            self._stop(
                _position(start),
                "YAML009",
                f"found YAML {'.'.join(map(str, start.version))}; wanted YAML 1.2",
                "drop the line that begins with %YAML",
            )
        node = self._node(self._loader.get_event(), 0)
        self._loader.get_event()
        more = self._loader.get_event()
        if not isinstance(more, events.StreamEndEvent):
            message = "found a second document; wanted one"
            self._stop(_position(more), "YAML007", message, "drop the line `---` and what follows")
        return node

    def _node(self, event: events.Event, depth: int) -> Node:
        """Return the node that begins with ``event``."""
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        if not isinstance(event, events.ScalarEvent | events.CollectionStartEvent):
            self._stop(_position(event), "YAML001", "found no valid YAML")
        if event.tag is not None:
            message = f"found the tag {event.tag}; wanted a plain value"
            self._stop(_position(event), "YAML010", message, "drop the word that begins with `!`")
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, events.ScalarEvent):
            node = _scalar(event)
        else:
            node = self._collection(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _collection(self, event: events.CollectionStartEvent, depth: int) -> Node:
        """Return a mapping or a list."""
        if depth >= DEPTH:
            message = f"found more than {DEPTH} levels of nesting"
            self._stop(_position(event), "YAML003", message)
        if isinstance(event, events.MappingStartEvent):
            return self._mapping(event, depth)
        node = Node([], _position(event))
        while not isinstance(item := self._loader.get_event(), events.SequenceEndEvent):
            child = self._node(item, depth + 1)
            node.add(len(node.value), child)
            node.value.append(child.value)
        return node

    def _mapping(self, event: events.Event, depth: int) -> Node:
        """Return a mapping; keys that come twice are noted, and one of them stays."""
        node = Node({}, _position(event))
        merged: list[tuple[Position, Node]] = []
        while not isinstance(item := self._loader.get_event(), events.MappingEndEvent):
            key, position = self._key(item), _position(item)
            child = self._node(self._loader.get_event(), depth + 1)
            if key == _MERGE and item.implicit[0]:
                merged.append((position, child))
            elif key in node.keys:
                first = node.keys[key].line
                message = f"the key `{key}` is here a second time, after line {first}"
                place = Place(self._path, *position)
                hint = "drop one of the two"
                self.found.append(Diagnostic(message, "YAML002", hint, place=place))
                if self._takes_last:
                    node.value[key] = child.value
                    node.add(key, child)
            else:
                node.keys[key] = position
                node.value[key] = child.value
                node.add(key, child)
                if _is_odd(item):
                    node.odd_keys += (key,)
        for position, child in merged:
            self._merge(node, child, position)
        return node

    def _key(self, event: events.Event) -> str:
        """Return a key as text; lists, mappings and nothing are none."""
        position = _position(event)
        is_word = isinstance(event, events.ScalarEvent) and (event.value or not event.implicit[0])
        node = self._node(event, DEPTH) if is_word or _is_alias(event) else None
        if node is None or isinstance(node.value, dict | list):
            brace = self._letter_at(position) == "{"
            hint = "write the value: templates are not expanded" if brace else "put it in quotes"
            self._stop(position, "YAML006", "found a key that is not text", hint)
        return str(getattr(event, "value", node.value))

    def _merge(self, node: Node, source: Node, position: Position) -> None:
        """Take over from ``<<`` what the mapping does not say itself."""
        sources = list(source.children.values()) if isinstance(source.value, list) else [source]
        for one in sources:
            if not isinstance(one.value, dict):
                message = "found something else than a mapping under `<<`"
                self._stop(position, "YAML011", message, "write `<<: *name`")
            self._count(one, position)
            for key, child in one.children.items():
                if isinstance(key, str) and key not in node.keys:
                    node.keys[key] = one.keys[key]
                    node.value[key] = child.value
                    node.add(key, child)

    def _alias(self, event: events.AliasEvent) -> Node:
        """Return the node that an alias stands for."""
        name, position = event.anchor, _position(event)
        if name not in self._anchors:
            message = f"found *{name}, and no &{name} before it"
            hint = f"write &{name} where the value stands first, or put `*{name}` in quotes"
            self._stop(position, "YAML012", message, hint)
        node = self._anchors[name]
        if node is None:
            self._stop(
                position,
                "YAML005",
                f"*{name} lies inside &{name}, so it would never end",
                f"write the value in the place of *{name}",
            )
        self._count(node, position)
        return node

    def _count(self, node: Node, position: Position) -> None:
        """Count what an alias stands for."""
        self._expanded += node.weight
        if self._expanded > EXPANDED:
            message = f"the aliases of this file stand for more than {EXPANDED} values"
            self._stop(position, "YAML004", message, "write the values themselves")

    def _refuse(self, error: yaml.MarkedYAMLError) -> NoReturn:
        """Stop with the scanner's own error in our words."""
        position = _position_of_mark(error.problem_mark or error.context_mark)
        context, problem = error.context or "", error.problem or ""
        known = explain_refusal(context, problem, self._letter_at(position))
        if known.at_start and error.context_mark:
            position = _position_of_mark(error.context_mark)
        self._stop(position, "YAML001", known.message, known.hint)

    def _stop(self, position: Position, code: str, message: str, hint: str = "") -> NoReturn:
        """Abort parsing and raise everything found so far."""
        place = Place(self._path, *position)
        raise SpecError((*self.found, Diagnostic(message, code, hint, place=place)))


def _is_odd(event: events.Event) -> bool:
    """Return whether a key is a number, or true, false or nothing, and not text."""
    if not isinstance(event, events.ScalarEvent) or not event.implicit[0]:
        return False
    return not isinstance(plain_value(event.value), str)


def _is_alias(event: events.Event) -> bool:
    """Return whether an event refers to an anchor."""
    return isinstance(event, events.AliasEvent)


def _position(event: events.Event) -> Position:
    """Return where an event begins."""
    return _position_of_mark(event.start_mark)


def _position_of_mark(mark: Mark | None) -> Position:
    """Return the scanner's mark, which counts from zero."""
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)


def _scalar(event: events.ScalarEvent) -> Node:
    """Return a single value; only a word without quotes means more than its text."""
    value = plain_value(event.value) if event.implicit[0] else event.value
    return Node(value, _position(event))
