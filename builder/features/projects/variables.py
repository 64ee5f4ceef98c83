"""The variables of a compose project, from the spec and from ``.env``; no feature of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.errors import Diagnostic, Place, SpecError
from builder.features import Context
from builder.features.references import plain_secret
from builder.features.sources import at
from builder.guest.compose.dotenv import env_text, format_env, parse_env, text_beside, without_names
from builder.secret import read_secret


def read_variables(
    file: Path, env: Mapping[str, Any], context: Context
) -> tuple[dict[str, str], str, list[Diagnostic]]:
    """Return the variables, the text of the guest's ``.env``, and what is wrong with them.

    Args:
        file: The compose file; the spec goes before the ``.env`` beside it.
        env: What the spec has.
        context: For values by reference.
    """
    faults: list[Diagnostic] = []
    given: dict[str, str] = {}
    lines: list[str] = []
    for key, wanted in env.items():
        value = _value(key, wanted, context)
        if isinstance(value, Diagnostic):
            faults.append(at(value, "env", key))
            value = "0"
        given[key] = value
        try:
            lines.append(format_env(key, value))
        except ValueError as error:
            faults.append(
                Diagnostic(str(error), "CMP023", "encode it, or mount a file", ("env", key))
            )
    beside = text_beside(file)
    read = parse_env(beside, given)
    if read.error:
        place = Place(file.with_name(".env"), read.error.line, 1)
        message = f"compose does not read this file: {read.error}"
        faults.append(Diagnostic(message, "CMP026", read.error.hint, place=place))
    written = "".join(f"{line}\n" for line in lines)
    return read.variables, written + without_names(beside, given), faults


def _value(key: str, given: object, context: Context) -> str | Diagnostic:
    """Return the value of a variable of the spec."""
    if isinstance(given, Mapping):
        try:
            return read_secret(dict(given), context.directory)
        except SpecError as error:
            return error.problems[0]
    return plain_secret(key) or env_text(given)
