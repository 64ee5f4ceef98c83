"""One compose project of the spec, read and its variables expanded; no feature of its own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.documents import Document
from builder.errors import Diagnostic, KeyPath, Severity
from builder.features import Context
from builder.features.projects.variables import read_variables
from builder.guest.compose import iter_services
from builder.guest.compose.images import Used, iter_images
from builder.guest.compose.interpolation import Undefined, interpolate
from builder.guest.compose.layers import Read, reader
from builder.structs import Struct


class Project(Struct, frozen=True):
    """A compose project.

    Attributes:
        name: Its key in the spec.
        file: The compose file on this machine.
        document: What the file says, with positions.
        env: The text of its ``.env``; empty for none.
        expanded: The file's value, known variables in their places.
        images: What its services run.
        faults: What is wrong with any of it.
        read: Reads other compose files beside it.
    """

    name: str
    file: Path
    document: Document
    env: str
    expanded: object
    images: tuple[Used, ...]
    faults: tuple[Diagnostic, ...]
    read: Read

    def find(
        self, path: KeyPath, code: str, message: str, hint: str, severity: Severity = Severity.ERROR
    ) -> Diagnostic:
        """Return a fault at its place in the compose file, with the line there."""
        place, line = self.document.spot(path)
        return Diagnostic(message, code, hint, severity=severity, place=place, excerpt=line)


def make_project(
    name: str, document: Document, file: Path, env: Mapping[str, Any], context: Context
) -> Project:
    """Return the project that a compose file and the variables of the spec make."""
    variables, written, faults = read_variables(file, env, context)
    expanded, lacks = interpolate(document.value, variables)
    included = isinstance(document.value, dict) and "include" in document.value
    if not included and not list(iter_services(document.value)):
        place, line = document.spot(())
        text, hint = f"{file}: found no services", "is it a compose file?"
        faults.append(Diagnostic(text, "CMP001", hint, place=place, excerpt=line))
    faults += _faults_of_variables(document, lacks)
    read = reader(file.parent, variables)
    images = tuple(iter_images(expanded, read))
    return Project(name, file, document, written, expanded, images, tuple(faults), read)


def _faults_of_variables(document: Document, lacks: list[Undefined]) -> Iterator[Diagnostic]:
    """Yield a fault for each variable that is not valid, or has no value: that once a name."""
    seen: set[str] = set()
    for lack in lacks:
        if lack.is_invalid:
            message = "found `${` without a valid variable"
            hint = "write ${NAME} with letters, digits and `_`; a literal `$` is written `$$`"
            yield document.locate(Diagnostic(message, "CMP027", hint, lack.path))
        elif lack.name not in seen:
            seen.add(lack.name)
            said = f": {lack.message}" if lack.message else ""
            message = f"the variable {lack.name} has no value{said}"
            hint = f"add env: {{{lack.name}: …}} to the project, or a default: ${{{lack.name}:-…}}"
            # Without its line: variables and secrets stand side by side.
            yield Diagnostic(message, "CMP002", hint, place=document.place(lack.path))
