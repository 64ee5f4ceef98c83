"""What the JSON Schema validator found, in words for users.

Source: the keywords of JSON Schema Validation 2020-12, sections 6 and 10. The validator's own
messages print values in Python's notation, and might print a secret; none of them is shown.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from builder.documents.secrets import is_secret
from builder.errors import Diagnostic, KeyPath
from builder.schema.aliases import ADVICE, ALIASES
from builder.schema.hints import boolean_hint, bound_hint, form_hint, type_hint
from builder.schema.words import describe, kinds_in_words
from builder.suggest import nearest

_MANY, _TOO_MANY = 12, 60


class Error(Protocol):
    """The part of the validator's error that is used here."""

    validator: Any
    validator_value: Any
    instance: Any
    schema: Any
    context: Any
    absolute_path: Any
    absolute_schema_path: Any


def iter_misfits(errors: Iterable[Error]) -> Iterator[Diagnostic]:
    """Yield a sentence or more for each error of a validator."""
    for error in errors:
        path = tuple(error.absolute_path)
        if error.validator in error.schema.get("x-own-check", ()):
            continue
        if "propertyNames" in error.absolute_schema_path:
            yield _bad_key(error, path)
            continue
        found = _KEYWORDS.get(str(error.validator), _other)(error, path)
        yield from [found] if isinstance(found, Diagnostic) else found


def _name(path: KeyPath) -> str:
    """Return a path as the user would say it."""
    return ".".join(map(str, path)) or "the file"


def _type(error: Error, path: KeyPath) -> Diagnostic:
    """Say which kind of value was wanted."""
    found = describe(error.instance, path)
    is_size = "x-unit" in error.schema
    wanted = error.schema["x-form"] if is_size else kinds_in_words(error.validator_value)
    hint = type_hint(error.instance, error.schema, path)
    return Diagnostic(f"{_name(path)}: found {found}; wanted {wanted}", "SCH001", hint, path)


_MOST_MEANT = 200
"""Keys of which the nearest known one is looked for, which takes a while each."""


def _unknown_keys(error: Error, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield a sentence for each key that is not known here, with the nearest one."""
    known = list(error.schema.get("properties", {}))
    patterns, newer = error.schema.get("patternProperties", {}), error.schema.get("x-newer", {})
    for at, key in enumerate(error.instance):
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        where = f" in `{_name(path)}`" if path else ""
        message = f"unknown key `{key}`{where}"
        hint = _known(key, known, error) if at < _MOST_MEANT else "check its spelling"
        if key in newer:
            message, hint = f"`{key}` is a key of {newer[key]} and later", f"drop `{key}`"
        yield Diagnostic(message, "SCH002", hint, (*path, key), at_key=True)


def _known(key: str, known: list[str], error: Error) -> str:
    """Return a hint at the key that was meant."""
    inner = error.schema.get("properties", {}).get("overlay", {}).get("properties", {})
    meant = nearest(key, known)
    if key in inner:
        return f"move `{key}` under `overlay`"
    word = key.lower().replace("-", "_")
    alias = ALIASES.get(word, "")
    if word in ADVICE:
        return ADVICE[word]
    if alias in inner and alias not in known:
        return f"write `{alias}` under `overlay`"
    meant = alias if alias in known else meant
    listed = ", ".join(sorted(known))
    if not meant:
        return f"known: {listed}" if len(known) <= _TOO_MANY else "check its spelling"
    return f"did you mean `{meant}`?" + (f" known: {listed}" if len(known) <= _MANY else "")


def _missing_key(error: Error, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield a sentence for each key that has to be there."""
    for key in error.validator_value:
        if key not in error.instance:
            where = f" in {_name(path)}" if path else ""
            hint = _MISSING_HINTS.get((*path, key), f"add `{key}: …`")
            yield Diagnostic(f"`{key}` is missing{where}", "SCH003", hint, path, at_key=bool(path))


_MISSING_HINTS: dict[KeyPath, str] = {
    ("version",): "add `version: 1` at the top; it is the version of the spec's format",
    ("base",): 'add `base: {release: "5.0"}`, or for a first look `base: {sample: true}`',
}


def _choice(error: Error, path: KeyPath) -> Diagnostic:
    """Say which words are allowed."""
    values = error.validator_value if error.validator == "enum" else [error.validator_value]
    words = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    words = list(dict.fromkeys(words))
    message = f"{_name(path)}: found {describe(error.instance, path)}; wanted {_one_of(words)}"
    alias = error.schema.get("x-aliases", {}).get(error.instance, "") if _is_text(error) else ""
    meant = alias or (nearest(error.instance, words) if _is_text(error) else "")
    hint = f"did you mean `{meant}`?" if meant else boolean_hint(error.instance, words)
    if path == ("version",):
        hint = "write `version: 1`"
    return Diagnostic(message, "SCH004", hint, path)


def _is_text(error: Error) -> bool:
    """Return whether the value is text, of which a word can be guessed."""
    return isinstance(error.instance, str)


def _one_of(words: list[str]) -> str:
    """Return a choice of words."""
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0]


def _pattern(error: Error, path: KeyPath) -> Diagnostic:
    """Say that text has not the form it needs; the description knows which."""
    meant = "" if is_secret(path, error.instance) else form_hint(error.instance, error.schema)
    return Diagnostic(f"{_form(error, path)}; wanted {_described(error)}", "SCH005", meant, path)


def _bad_key(error: Error, path: KeyPath) -> Diagnostic:
    """Say that a key has not the form it needs."""
    message = (
        f"invalid key `{error.instance}` in `{_name(path)}`; wanted {_described(error, 'a key')}"
    )
    hint = form_hint(error.instance, error.schema)
    return Diagnostic(message, "SCH005", hint, (*path, str(error.instance)), at_key=True)


def _form(error: Error, path: KeyPath) -> str:
    """Return the sentence for a value of the right kind and the wrong form."""
    return f"{_name(path)}: found {describe(error.instance, path)}"


def _described(error: Error, kind: str = "text") -> str:
    """Return what a value or a key should be, from its schema."""
    described = error.schema.get("x-form") or error.schema.get("description")
    if not described:
        return f"{kind} that matches {error.validator_value}"
    text = str(described).rstrip(".")
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def _bound(error: Error, path: KeyPath) -> Diagnostic:
    """Say which number, length or count is too large or too small."""
    words = {
        "minimum": "{} or more",
        "maximum": "{} or less",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "a multiple of {}",
        "minLength": "{} or more letters",
        "maxLength": "{} or fewer letters",
        "minItems": "{} or more entries",
        "maxItems": "{} or fewer entries",
        "minProperties": "{} or more keys",
        "maxProperties": "{} or fewer keys",
    }
    unit = error.schema.get("x-unit", "")
    limit = f"{error.validator_value} {unit}iB" if unit else error.validator_value
    wanted = words[str(error.validator)].format(limit)
    found = describe(error.instance, path)
    if isinstance(error.instance, dict | list | str):
        found = f"{len(error.instance)}" if error.instance else "none"
    hint = bound_hint(error.instance, error.schema, str(error.validator))
    if error.validator in {"minItems", "minProperties"} and not hint:
        hint = "add an entry"
    return Diagnostic(f"{_name(path)}: found {found}; wanted {wanted}", "SCH006", hint, path)


def _repeated(error: Error, path: KeyPath) -> Diagnostic:
    """Say which entry of a list is there twice."""
    seen: list[object] = []
    for index, entry in enumerate(error.instance):
        if entry in seen:
            message = f"{_name(path)}: {describe(entry, path)} is there twice"
            return Diagnostic(message, "SCH007", "drop one", (*path, index))
        seen.append(entry)
    return Diagnostic(f"{_name(path)}: an entry is there twice", "SCH007", "drop one", path)


def _alternatives(error: Error, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield what is wrong with the alternative that comes nearest."""
    branches: dict[object, list[Error]] = {}
    for inner in error.context or ():
        number = inner.absolute_schema_path[len(error.absolute_schema_path)]
        branches.setdefault(number, []).append(inner)
    fitting = [b for b in branches.values() if not _is_of_other_kind(b, len(path))]
    fitting.sort(key=lambda branch: _distance(branch, len(path)))
    if fitting:
        yield from iter_misfits(fitting[0])
    elif branches:
        wanted = " or ".join(dict.fromkeys(_wanted(b[0]) for b in branches.values()))
        message = f"{_name(path)}: found {describe(error.instance, path)}; wanted {wanted}"
        words = [
            str(v)
            for b in branches.values()
            if b[0].validator == "enum"
            for v in b[0].validator_value
        ]
        meant = nearest(error.instance, words) if isinstance(error.instance, str) else ""
        hint = "write a value, or drop the key" if error.instance is None else ""
        yield Diagnostic(message, "SCH001", f"did you mean `{meant}`?" if meant else hint, path)
    else:
        yield Diagnostic(f"{_name(path)}: fits several forms; wanted one", "SCH008", path=path)


def _is_of_other_kind(branch: list[Error], depth: int) -> bool:
    """Return whether a branch wants another kind of value altogether."""
    return any(
        error.validator in {"type", "enum", "const"} and len(error.absolute_path) == depth
        for error in branch
    )


def _distance(branch: list[Error], depth: int) -> tuple[int, int]:
    """Return how far a value is from a branch: errors at its top, then all errors."""
    return sum(len(error.absolute_path) == depth for error in branch), len(branch)


def _wanted(error: Error) -> str:
    """Return what one alternative wants."""
    if error.validator == "type":
        return kinds_in_words(error.validator_value)
    values = error.validator_value if error.validator == "enum" else [error.validator_value]
    return " or ".join(dict.fromkeys(str(value).lower() for value in values))


def _other(error: Error, path: KeyPath) -> Diagnostic:
    """Say that a value does not fit, for keywords without a sentence of their own."""
    return Diagnostic(f"{_form(error, path)}; wanted {_described(error)}", "SCH008", path=path)


_BOUNDS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
)
_Speaker = Callable[[Error, KeyPath], Diagnostic | Iterator[Diagnostic]]
_KEYWORDS: Mapping[str, _Speaker] = {
    "type": _type,
    "additionalProperties": _unknown_keys,
    "required": _missing_key,
    "enum": _choice,
    "const": _choice,
    "pattern": _pattern,
    "uniqueItems": _repeated,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    **dict.fromkeys(_BOUNDS, _bound),
}
