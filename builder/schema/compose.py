"""The JSON Schema of a compose file, and what does not fit it, in words.

Source: Compose Specification, and the keys and forms that compose 2.33 takes of it.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from builder.errors import Diagnostic
from builder.schema.quick import fits
from builder.schema.sentences import iter_misfits

_FILE = Path(__file__).resolve().parents[1] / "data" / "compose.json"
_Plain: TypeAlias = Any
"""Plain data: what JSON can say."""

_REFERENCE = "#/$defs/"


def compose_misfits(value: object) -> tuple[Diagnostic, ...]:
    """Return everything in a compose file, its variables expanded, that compose does not take."""
    schema = _schema()
    if fits(value, schema):
        return ()
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(value)
    return tuple(dict.fromkeys(iter_misfits(errors)))


@cache
def _schema() -> dict[str, Any]:
    """Return the schema with its definitions put in the places that refer to them."""
    schema: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    definitions = schema.pop("$defs")
    whole: dict[str, Any] = _resolved(schema, definitions, {})
    return whole


def _resolved(node: _Plain, definitions: dict[str, Any], done: dict[str, Any]) -> _Plain:
    """Return a part of the schema without references; equal parts are shared."""
    if isinstance(node, list):
        return [_resolved(inner, definitions, done) for inner in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].removeprefix(_REFERENCE)
        if name not in done:
            done[name] = _resolved(definitions[name], definitions, done)
        return done[name]
    return {key: _resolved(inner, definitions, done) for key, inner in node.items()}
