"""Secrets of a compose project that the spec gives by reference; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import MakeDirectory
from builder.errors import Diagnostic
from builder.features import Context, Reasoned, Requested
from builder.features.projects import Project
from builder.features.secret_files import text_file
from builder.features.tree import Attributes
from builder.guest.compose import project_directory
from builder.guest.compose.files import files_of
from builder.guestpath import join
from builder.suggest import did_you_mean

_READABLE = 0o644
"""Containers run as anybody; the project's folder keeps others away, and a mount passes it by."""


def secret_changes(
    project: Project, given: Mapping[str, Any], context: Context
) -> Iterator[Requested]:
    """Yield the file of each secret that the spec gives, or what is wrong with it."""
    files = files_of(project.expanded, "secrets")
    folder = project_directory(project.name)
    if given:
        reason = f"{project.file.name} has secrets beside itself"
        yield Reasoned(MakeDirectory(folder, 0o700), reason)
    for name, reference in given.items():
        path = ("secrets", name)
        need = files.get(name)
        if need is None:
            message = f"{project.file.name} names no file for a secret {name!r}"
            hint = (
                did_you_mean(name, files)
                or f"write `secrets: {{{name}: {{file: ./{name}}}}}` in it"
            )
            yield Diagnostic(message, "CMP048", hint, path)
        elif not need.is_inside or (project.file.parent / need.relative).exists():
            where = "lies beside it already" if need.is_inside else "leads out of its folder"
            message = f"the file of {name}, {need.text}, {where}"
            yield Diagnostic(message, "CMP048", "give another file name there, in ./secrets", path)
        else:
            there, readable = join(folder, need.relative), Attributes(_READABLE)
            made = text_file(reference, there, readable, context, *path)
            why = f"{project.file.name} reads it as the secret {name}"
            yield made if isinstance(made, Diagnostic) else Reasoned(made, why)
