"""Files whose text may be a secret, by reference; no feature of its own."""

from collections.abc import Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.changes import replace as changed
from builder.errors import Diagnostic
from builder.features import Context
from builder.features.references import plain_secret, read_reference
from builder.features.sources import at
from builder.features.tree import Attributes, content_change
from builder.guest.first_boot import format_variable
from builder.guestpath import GuestPath
from builder.structs import replace

_PRIVATE = 0o600


def text_file(
    value: Mapping[str, Any] | str,
    path: GuestPath,
    given: Attributes,
    context: Context,
    *below: str | int,
) -> WriteFile | Diagnostic:
    """Return a file with a text, or with what a reference means: the latter for its owner alone.

    Args:
        value: The text or the reference.
        path: Where the file lies.
        given: Mode and owner, as far as they are given.
        context: For the reference.
        below: Where the reference stands, for its faults.
    """
    if isinstance(value, str):
        return content_change(Blob.text(value), path, given)
    text = read_reference(value, context, *below)
    if isinstance(text, Diagnostic):
        return text
    mode = _PRIVATE if given.mode is None else given.mode
    made = content_change(Blob.text(text), path, replace(given, mode=mode))
    return made if isinstance(made, Diagnostic) else changed(made, secret=True)


def variables_file(
    variables: Mapping[str, Any], path: GuestPath, context: Context
) -> WriteFile | Diagnostic:
    """Return a file of variables for a unit, texts or references; for root alone."""
    lines = []
    for name, value in variables.items():
        text = _text(name, value, context)
        if isinstance(text, Diagnostic):
            return at(text, name)
        if "\0" in text:
            return at(Diagnostic(f"the value of {name} holds a NUL character", "BOOT006"), name)
        lines.append(format_variable(name, text))
    return WriteFile(path, Blob.text("".join(lines)), _PRIVATE, secret=True)


def _text(name: str, value: Mapping[str, Any] | str, context: Context) -> str | Diagnostic:
    """Return the value of a variable; one whose name says that it is a secret has a reference."""
    if isinstance(value, str):
        return plain_secret(name) or value
    return read_reference(value, context)
