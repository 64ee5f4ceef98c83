"""The variables of a compose project, from the spec and from ``.env``; no feature of its own."""

import re
from collections.abc import Mapping
from typing import Any

from builder.errors import Fault, FaultError
from builder.features import Context
from builder.features.sources import at
from builder.guest.interpolation import env_text, format_env, parse_env
from builder.secret import read_secret

_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)


def read_variables(
    beside: str, env: Mapping[str, Any], context: Context
) -> tuple[dict[str, str], str, list[Fault]]:
    """Return the variables, the text of the guest's ``.env``, and what is wrong with them.

    Args:
        beside: Text of the ``.env`` beside the compose file; the spec goes before it.
        env: What the spec has.
        context: For values by reference.
    """
    faults: list[Fault] = []
    variables = parse_env(beside)
    lines = [line for line in beside.splitlines() if line.partition("=")[0].strip() not in env]
    for key, given in env.items():
        value = _value(key, given, context)
        if isinstance(value, Fault):
            faults.append(at(value, "env", key))
            value = "0"
        variables[key] = value
        try:
            lines.append(format_env(key, value))
        except ValueError as error:
            faults.append(Fault(str(error), "CMP023", "encode it, or mount a file", ("env", key)))
    return variables, "".join(f"{line}\n" for line in lines), faults


def _value(key: str, given: object, context: Context) -> str | Fault:
    """Return the value of a variable of the spec."""
    if isinstance(given, Mapping):
        try:
            return read_secret(dict(given), context.directory)
        except FaultError as error:
            return error.fault
    if _SECRET_NAME.search(key):
        hint = f"write {key}: {{env: {key}}}, and export it before the build"
        return Fault(f"{key} is a plain secret; wanted a reference", "SEC001", hint)
    return env_text(given)
