"""Compose projects: their files, a unit each, and what their ports need of the host."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.documents import load_document
from builder.errors import Diagnostic, SpecError
from builder.features import Context, Feature, Reasoned, Requested, form
from builder.features.compose.files import file_changes
from builder.features.compose.host import host_changes
from builder.features.compose.pins import pin_changes
from builder.features.compose.ports import port_changes
from builder.features.compose.preload import wish_network, wish_preload
from builder.features.compose.secrets import secret_changes
from builder.features.projects import make_project
from builder.features.references import REFERENCE
from builder.features.sources import RELATIVE, at, local_path
from builder.structs import replace
from builder.suggest import near

_NAME = r"^[a-z0-9][a-z0-9_-]*$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "description": "Compose projects by name; each lies in /opt/compose/NAME and is up after boot.",
    "propertyNames": form(_NAME, "small letters, digits, `_` and `-`"),
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["file"],
        "properties": {
            "file": {"type": "string", "description": "The compose file; copied byte for byte."},
            "env": {
                "type": "object",
                "description": "Variables for it: texts, or `env: NAME` and `file: path` for "
                "secrets. They go into `.env`, which only root can read.",
                "propertyNames": form(_VARIABLE, "letters, digits and `_`"),
                "additionalProperties": {
                    "anyOf": [{"type": ["string", "integer", "number", "boolean"]}, REFERENCE]
                },
            },
            "secrets": {
                "type": "object",
                "description": "What is in the files that the compose file names under `secrets`, "
                "by its names there: `env: NAME` or `file: path`.",
                "additionalProperties": REFERENCE,
            },
            "preload": {"type": "boolean", "description": "Ship its images, as `lock` has them."},
        },
    },
}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the files and the unit of each project, then what the host owes them."""
    for name, settings in value.items():
        for wish in _of_project(name, settings, context):
            match wish:
                case Diagnostic() as fault:
                    yield fault if fault.place else at(fault, name)
                case Reasoned(change, reason, path):
                    yield Reasoned(change, reason, (name, *path))
                case change:
                    yield Reasoned(change, path=(name,))


def _of_project(name: str, settings: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield what one project needs, with paths below its name."""
    file = local_path(settings["file"], context)
    if not file.is_file():
        lack = f"{file} is a folder; wanted a file" if file.is_dir() else f"there is no file {file}"
        yield Diagnostic(lack, "CMP021", near(file) or RELATIVE, ("file",))
        return
    try:
        document = load_document(file)
    except SpecError as error:
        for problem in error.problems:
            yield replace(problem, code="CMP001", path=("file",))
        return
    project = make_project(name, document, file, settings.get("env", {}), context)
    yield from project.faults
    yield from file_changes(project)
    yield from secret_changes(project, settings.get("secrets", {}), context)
    is_shipped = bool(settings.get("preload"))
    yield from pin_changes(project, context, is_shipped=is_shipped)
    if is_shipped:
        yield from wish_preload(project, context)
    yield from wish_network(name, settings, context)
    yield from host_changes(project, context)
    yield from port_changes(project, context)


FEATURE = Feature(
    "compose",
    "Compose projects",
    SCHEMA,
    changes,
    "{pihole: {file: pihole/compose.yaml, env: {PIHOLE_PASSWORD: {env: PIHOLE_PASSWORD}}}}",
)
