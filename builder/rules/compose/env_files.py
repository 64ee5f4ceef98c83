"""Secrets in the files of variables that a compose project takes along; no rule of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

from builder.errors import Diagnostic, Place
from builder.guest.compose.dotenv import iter_statements
from builder.guest.compose.files import ENV, needs_of
from builder.rules.compose.projects import Project, iter_active, projects
from builder.rules.model import Subject

SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
"""Names of variables that hold secrets."""


def is_secret_name(variable: str) -> bool:
    """Return whether a variable holds a secret; ``…_FILE`` holds a path."""
    return bool(SECRET.search(variable)) and not variable.endswith("_FILE")


def secrets_in_files(subject: Subject) -> Iterator[Diagnostic]:
    """Find secrets in plain text in ``.env``, and in the files of ``env_file``."""
    files: dict[Path, Project] = {}
    for project in projects(subject):
        files.setdefault(project.document.path.with_name(ENV), project)
    for service in iter_active(subject):
        for layer in service.layers:
            for need in needs_of(layer):
                if need.key == "env_file" and need.is_inside:
                    top = service.project.document.path.parent
                    files.setdefault(top / need.relative, service.project)
    for file, project in files.items():
        yield from _in_file(file, project)


def _in_file(file: Path, project: Project) -> Iterator[Diagnostic]:
    """Find secrets in one file of variables."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
        statements = list(iter_statements(text))
    except (OSError, ValueError):
        return
    for each in statements:
        by_reference = file.name == ENV and each.name in project.references
        if not is_secret_name(each.name) or not each.value or "$" in each.value or by_reference:
            continue
        place = Place(file, text.count("\n", 0, each.start) + 1, 1)
        message = f"{each.name} stands in {file.name} in plain text, and in the image"
        hint = f"give it by reference: `env: {{{each.name}: {{env: {each.name}}}}}` in the spec"
        if file.name != ENV:
            hint += f", and {each.name}=${{{each.name}}} here"
        yield Diagnostic(message, "", hint, place=place)
