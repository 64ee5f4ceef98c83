"""One compose project of the spec, read and its variables expanded; no feature of its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.documents import Document
from builder.errors import Fault, FaultError
from builder.features import Context
from builder.features.sources import at
from builder.guest.compose import iter_services
from builder.guest.interpolation import Undefined, format_env, interpolate, parse_env
from builder.secret import read_secret

_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
_BOOLEANS = {True: "true", False: "false"}


@dataclass(frozen=True, slots=True)
class Project:
    """A compose project.

    Attributes:
        name: Its key in the spec.
        file: The compose file on this machine.
        document: What the file says, with positions.
        env: The text of its ``.env``; empty for none.
        expanded: The file's value, known variables in their places.
        faults: What is wrong with any of it.
    """

    name: str
    file: Path
    document: Document
    env: str
    expanded: object
    faults: tuple[Fault, ...]


def make_project(
    name: str, document: Document, file: Path, env: Mapping[str, Any], context: Context
) -> Project:
    """Return the project that a compose file and the variables of the spec make."""
    faults: list[Fault] = []
    beside = file.parent / ".env"
    text = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else ""
    variables = parse_env(text)
    lines = [line for line in text.splitlines() if line.partition("=")[0].strip() not in env]
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
    expanded, lacks = interpolate(document.value, variables)
    if not list(iter_services(document.value)):
        place = document.place(())
        faults.append(
            Fault(f"{file}: found no services", "CMP001", "is it a compose file?", place=place)
        )
    faults += _faults_of_variables(document, lacks)
    written = "".join(f"{line}\n" for line in lines)
    return Project(name, file, document, written, expanded, tuple(faults))


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
    return _BOOLEANS[given] if isinstance(given, bool) else str(given)


def _faults_of_variables(document: Document, lacks: list[Undefined]) -> Iterator[Fault]:
    """Yield a fault for each variable without a value, once a name."""
    seen: set[str] = set()
    for lack in lacks:
        if lack.name not in seen:
            seen.add(lack.name)
            said = f": {lack.message}" if lack.message else ""
            message = f"the variable {lack.name} has no value{said}"
            hint = f"add env: {{{lack.name}: …}} to the project, or a default: ${{{lack.name}:-…}}"
            yield Fault(message, "CMP002", hint, place=document.place(lack.path))
