"""What to write instead of a value that does not fit: a hint that fits when it is followed."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from builder.documents.letters import BLANKS, QUOTES
from builder.documents.secrets import is_secret
from builder.errors import KeyPath
from builder.schema.quick import fits
from builder.schema.words import FILE_NAME

_OLD_BOOLEANS = {
    **dict.fromkeys(("yes", "on", "y", "true"), "true"),
    **dict.fromkeys(("no", "off", "n", "false"), "false"),
}
_LONGEST = 40
_NEIGHBOURS = {("M", "minimum"): "G", ("M", "maximum"): "K", ("G", "maximum"): "M"}
"""Unit of a key and the limit that a number alone broke, to the unit that is probably meant."""
_SPELT_UNIT = re.compile(r"([\d.]+)[\s_-]*([kmgt])", re.IGNORECASE | re.ASCII)
"""A number, and the first letter of a unit that is spelt out: ``20 gigabytes``, ``20  Gb``."""


def type_hint(value: object, schema: Mapping[str, Any], path: KeyPath) -> str:
    """Return what to write instead of a value of another kind, empty when nothing is plain."""
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "boolean" in names and (hint := boolean_hint(value, ("true", "false"))):
        return hint
    if is_secret(path, value) and not isinstance(value, dict | list | None):
        reference = "write {env: NAME}, and export NAME before the build"
        quotes = "put it in quotes" if "string" in names and not isinstance(value, str) else ""
        return reference if "object" in names else quotes
    if value is None:
        return "write a value, or drop the key"
    match value:
        case str() | bool() | int() | float():
            return _scalar_hint(value, names, schema)
        case list() if "object" in names:
            return _list_hint(value, schema, path)
        case dict() if "array" in names:
            return "begin each entry with a dash"
        case dict() if "string" in names and len(value) == 1:
            return "put a value with braces in quotes"
        case _:
            return ""


def boolean_hint(value: object, words: Collection[str]) -> str:
    """Return the boolean that an old word for one means, when that is accepted."""
    meant = _OLD_BOOLEANS.get(str(value).lower(), "")
    return f"write {meant}; in YAML 1.2 yes, no, on, off are text" if meant in words else ""


def form_hint(value: object, schema: Mapping[str, Any]) -> str:
    """Return a form of some text that fits: other capitals, without blanks, a unit added."""
    found = next((text for text in _variants(str(value), schema) if fits(text, schema)), "")
    return f"did you mean `{found}`?" if found else ""


def bound_hint(value: object, schema: Mapping[str, Any], keyword: str) -> str:
    """Return the unit that a number alone may have been meant in, when it is a size."""
    unit = schema.get("x-unit", "")
    other = _NEIGHBOURS.get((unit, keyword), "")
    if not other or not isinstance(value, int) or value < 1:
        return ""
    return f"write {value}{other}; a number alone counts {unit}iB"


def _scalar_hint(
    value: str | bool | float,
    names: list[str],
    schema: Mapping[str, Any],
) -> str:
    """Return how a single value becomes one of the right kind."""
    if isinstance(value, bool) and "integer" in names:
        return f"write {int(value)}"
    if "string" in names and not isinstance(value, str):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if fits(text, schema):
            return f'write "{text}", in quotes'
        if "x-own-check" in schema:
            return "put it in quotes"
        return form_hint(text, schema) or _form_in_words(schema)
    if {"integer", "number"} & set(names) and isinstance(value, str):
        (*found,) = re.findall(r"\d+", value, re.ASCII)
        quotes = ", without quotes" if value.strip() == "".join(found) else ""
        return (
            f"write {found[0]}{quotes}" if len(found) == 1 and fits(int(found[0]), schema) else ""
        )
    if "array" in names:
        return _brackets_hint(str(value), schema)
    return _mapping_hint(str(value), schema) if "object" in names else ""


def _brackets_hint(text: str, schema: Mapping[str, Any]) -> str:
    """Return a single value as a list that fits."""
    if re.match(r"-\S", text):
        return "put a space after each dash: `- name`"
    words = re.split(r"[\s,]+", text.strip())
    if len(words) > 1 and fits(words, schema):
        return f"write [{', '.join(words)}]"
    return f"write [{text}]" if len(text) <= _LONGEST and fits([text], schema) else ""


def _mapping_hint(text: str, schema: Mapping[str, Any]) -> str:
    """Return a mapping that text was meant for: a blank is missing, or a key is."""
    key, _, value = text.partition(":")
    if key in schema.get("properties", {}) and value and "\n" not in text:
        return f"put a plain space after the colon: `{key}: {value.strip()}`"
    for key, inner in schema.get("properties", {}).items():
        if "x-means" in inner and re.search(inner["x-means"], text):
            return f'write {{{key}: "{text}"}}'
    return ""


def _form_in_words(schema: Mapping[str, Any]) -> str:
    """Return the form that some text has to have, empty when none is wanted."""
    return f"write {schema['x-form']}" if "x-form" in schema else ""


def _list_hint(value: list[Any], schema: Mapping[str, Any], path: KeyPath) -> str:
    """Return where a list belongs that stands in the place of a mapping."""
    named = [each["name"] for each in value if isinstance(each, dict) and "name" in each]
    if named and len(named) == len(value):
        return f"write each entry under its name: `{named[0]}: {{…}}`"
    keys = schema.get("properties", {})
    last = str(path[-1]) if path else ""
    if fits(value, keys.get(last, False)):
        return f"`{last}` goes one level down, below a name: `NAME: {{{last}: …}}`"
    for key, inner in keys.items():
        if fits(value, inner):
            return f"put it below a key, such as `{key}:`; there is {', '.join(keys)}"
    return "write `key: value`, without dashes and brackets"


def _variants(text: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield ways to write the same."""
    stripped = "".join(" " if letter in BLANKS else letter for letter in text).strip(f"{QUOTES} ")
    yield from (stripped, stripped.upper(), stripped.lower())
    yield from (stripped.lower().replace("_", "-"), stripped)
    if "=" not in stripped:
        yield stripped.replace(" ", "-")
        yield stripped.lower().replace(" ", "-")
    yield (
        stripped.rstrip("/").rpartition("/")[2] if schema.get("pattern") == FILE_NAME else stripped
    )
    if unit := schema.get("x-unit"):
        yield f"{stripped}{unit}"
        yield stripped.replace(",", ".")
        yield " ".join(stripped.split())
        if found := _SPELT_UNIT.match(stripped):
            yield f"{found[1]}{found[2].upper()}"
