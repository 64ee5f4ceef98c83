"""Texts by reference, where they are secrets; no feature of its own."""

import re
from collections.abc import Mapping
from typing import Any

from builder.errors import Diagnostic, SpecError
from builder.features import Context
from builder.features.sources import at
from builder.secret import read_secret

REFERENCE: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "env": {"type": "string", "description": "An environment variable of the build."},
        "file": {"type": "string", "description": "A file on this machine."},
    },
}


_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)


def plain_secret(name: str) -> Diagnostic | None:
    """Return what is wrong with a variable in plain text whose name says that it is a secret."""
    if not _SECRET_NAME.search(name):
        return None
    hint = f"write {name}: {{env: {name}}}, and export it before the build"
    return Diagnostic(f"{name} is a plain secret; wanted a reference", "SEC001", hint)


def text_or_reference(description: str, **more: str) -> dict[str, Any]:
    """Return the schema of a text that may come by reference, and then is a secret."""
    told = f"{description} `{{env: NAME}}` or `{{file: path}}` for a secret."
    return {"anyOf": [{"type": "string", **more}, REFERENCE], "description": told}


def read_reference(
    value: Mapping[str, Any], context: Context, *path: str | int
) -> str | Diagnostic:
    """Return the text that a reference means, or why there is none.

    Secrets have no line break at their end, so a text of several lines is given one.
    """
    try:
        text = read_secret(dict(value), context.directory)
    except SpecError as error:
        return at(error.problems[0], *path)
    return f"{text}\n" if "\n" in text else text
