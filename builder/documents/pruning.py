"""Documents without some of their parts; what is left knows where it was written."""

from collections.abc import Collection
from typing import Any

from builder.documents.nodes import Node
from builder.errors import KeyPath


def without(node: Node, paths: Collection[KeyPath]) -> Node:
    """Return a node without what lies at some paths; those that lead nowhere change nothing."""
    gone = {path[0] for path in paths if len(path) == 1}
    deeper: dict[str | int, list[KeyPath]] = {}
    for first, *rest in paths:
        if rest:
            deeper.setdefault(first, []).append(tuple(rest))
    kept = {
        step: without(child, deeper[step]) if step in deeper else child
        for step, child in node.children.items()
        if step not in gone
    }
    if not isinstance(node.value, list):
        value: Any = node.value
        if isinstance(value, dict):
            value = {step: child.value for step, child in kept.items()}
        return Node(value, node.position, node.keys, node.odd_keys, kept, node.weight)
    numbered: dict[str | int, Node] = dict(enumerate(kept.values()))
    values = [child.value for child in numbered.values()]
    return Node(values, node.position, node.keys, node.odd_keys, numbered, node.weight)
