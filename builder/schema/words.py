"""Values and kinds of values in words, for messages; secrets are not shown."""

from collections.abc import Sequence

from builder.documents.secrets import is_secret, without_secrets
from builder.errors import KeyPath

FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""What may name an artifact or a folder of an overlay."""

_LONGEST = 60
_KINDS: dict[str, str] = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def describe(value: object, path: KeyPath = ()) -> str:
    """Return a value in words; not what may be a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _ if is_secret(path, value):
            return "text" if isinstance(value, str) else "a number"
        case str():
            told = without_secrets(value)
            shown = told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
            return f"the text {shown!r}"
        case _:
            return f"the number {value}"


def kinds_in_words(wanted: str | Sequence[str]) -> str:
    """Return the kinds of values that are allowed, in words."""
    names = [wanted] if isinstance(wanted, str) else [name for name in wanted if name != "null"]
    return " or ".join(_KINDS[name] for name in names)
