"""Says quickly that a value fits a schema, when it plainly does.

Importing jsonschema takes a third of the time of a run that has nothing to do, and most specs
are valid. What this module cannot vouch for, it leaves to jsonschema, which also finds the
words for what is wrong. The tests hold the two against each other.

Source: JSON Schema 2020-12, for the keywords that are listed here; any other is not vouched for.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from builder.schema.patterns import compile_pattern

_NOTES = {
    "$schema",
    "$id",
    "title",
    "description",
    "default",
    "examples",
    "x-example",
    "x-form",
    "x-means",
    "x-own-check",
    "x-unit",
    "x-aliases",
    "x-newer",
}
_Plain: TypeAlias = Any
"""Plain data: what YAML or JSON can say."""

_Check = Callable[[_Plain, _Plain, Mapping[str, _Plain]], bool]


def fits(value: _Plain, schema: _Plain) -> bool:
    """Return whether ``value`` plainly fits ``schema``; ``False`` means: ask jsonschema."""
    if not isinstance(schema, dict):
        return schema is True
    return all(
        key in _NOTES or (key in _CHECKS and _CHECKS[key](value, wanted, schema))
        for key, wanted in schema.items()
    )


def _has_type(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``type``; a whole float is left to jsonschema."""
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(name in _TYPES.get(type(value), ()) for name in names)


def _has_required(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``required``."""
    return not isinstance(value, dict) or all(key in value for key in wanted)


def _properties_fit(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``properties``."""
    if not isinstance(value, dict):
        return True
    return all(fits(value[key], schema) for key, schema in wanted.items() if key in value)


def _others_fit(value: _Plain, wanted: _Plain, schema: Mapping[str, _Plain]) -> bool:
    """Check ``additionalProperties``."""
    if not isinstance(value, dict):
        return True
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return all(
        fits(inner, wanted)
        for key, inner in value.items()
        if key not in named
        and not any(compile_pattern(pattern).search(key) for pattern in patterns)
    )


def _patterns_fit(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``patternProperties``."""
    return not isinstance(value, dict) or all(
        fits(inner, schema)
        for pattern, schema in wanted.items()
        for key, inner in value.items()
        if compile_pattern(pattern).search(key)
    )


def _names_fit(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``propertyNames``."""
    return not isinstance(value, dict) or all(fits(key, wanted) for key in value)


def _items_fit(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``items``."""
    return not isinstance(value, list) or all(fits(inner, wanted) for inner in value)


def _is_unique(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``uniqueItems``."""
    if not wanted or not isinstance(value, list):
        return True
    return all(one != other for n, one in enumerate(value) for other in value[:n])


def _is_in(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``enum`` and ``const``; 1 and true are different things."""
    choices = wanted if isinstance(wanted, list) else [wanted]
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _matches(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
    """Check ``pattern``."""
    return not isinstance(value, str) or compile_pattern(wanted).search(value) is not None


def _is_one_of(value: _Plain, wanted: list[_Plain]) -> bool:
    """Check ``oneOf``, when each choice is identified by the keys that it requires alone."""
    simple = all(schema.keys() == {"required"} for schema in wanted)
    return simple and sum(fits(value, schema) for schema in wanted) == 1


def _measures(
    *, lowest: bool, kinds: tuple[type, ...], measure: Callable[[_Plain], float]
) -> _Check:
    """Return the check of a limit on a number, or on a length."""

    def check(value: _Plain, wanted: _Plain, _: Mapping[str, _Plain]) -> bool:
        if not isinstance(value, kinds) or isinstance(value, bool):
            return True
        size, limit = measure(value), float(wanted)
        return size >= limit if lowest else size <= limit

    return check


_TYPES: dict[type, tuple[str, ...]] = {
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    dict: ("object",),
    list: ("array",),
    type(None): ("null",),
}
_CHECKS: dict[str, _Check] = {
    "type": _has_type,
    "required": _has_required,
    "properties": _properties_fit,
    "additionalProperties": _others_fit,
    "patternProperties": _patterns_fit,
    "propertyNames": _names_fit,
    "items": _items_fit,
    "uniqueItems": _is_unique,
    "enum": _is_in,
    "const": lambda value, wanted, schema: _is_in(value, [wanted], schema),
    "pattern": _matches,
    "minimum": _measures(lowest=True, kinds=(int, float), measure=float),
    "maximum": _measures(lowest=False, kinds=(int, float), measure=float),
    "minLength": _measures(lowest=True, kinds=(str,), measure=len),
    "maxLength": _measures(lowest=False, kinds=(str,), measure=len),
    "minItems": _measures(lowest=True, kinds=(list,), measure=len),
    "maxItems": _measures(lowest=False, kinds=(list,), measure=len),
    "minProperties": _measures(lowest=True, kinds=(dict,), measure=len),
    "maxProperties": _measures(lowest=False, kinds=(dict,), measure=len),
    "anyOf": lambda value, wanted, _: any(fits(value, schema) for schema in wanted),
    "oneOf": lambda value, wanted, _: _is_one_of(value, wanted),
    "allOf": lambda value, wanted, _: all(fits(value, schema) for schema in wanted),
}
