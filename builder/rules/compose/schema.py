"""Rules of what a compose file may hold: its keys, and the values that they take.

Source: Compose Specification; the keys and forms are those of compose 2.33.
"""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.rules.compose.projects import Project, projects
from builder.rules.model import Rule, Subject, error, finding
from builder.schema.compose import compose_misfits
from builder.structs import replace

_UNKNOWN_KEY = "SCH002"


def _keys(subject: Subject) -> Iterator[Diagnostic]:
    """Find keys that compose does not know."""
    for project, found in _misfits(subject):
        if found.code == _UNKNOWN_KEY:
            yield project.document.locate(replace(found, code=""))


def _values(subject: Subject) -> Iterator[Diagnostic]:
    """Find values of a kind or form that compose does not take."""
    for project, found in _misfits(subject):
        if found.code != _UNKNOWN_KEY and found.path not in project.unsettled:
            yield project.document.locate(replace(found, code=""))
    for project in projects(subject):
        for path in project.document.odd_keys():
            message = f"the key `{path[-1]}` is not text"
            hint = f'write "{path[-1]}", in quotes'
            yield finding(message, project.document, path, hint, at_key=True)


def _misfits(subject: Subject) -> Iterator[tuple[Project, Diagnostic]]:
    """Yield what does not fit in each compose file; a file without services is left to others."""
    for project in projects(subject):
        if isinstance(project.value, dict):
            for found in compose_misfits(project.value):
                yield project, found


RULES: tuple[Rule, ...] = (
    error(
        "CMP030",
        "a key that compose does not know",
        "Compose refuses a file with a key that it does not know, a misspelt one such as `imgae` "
        "among them, and starts nothing of it. The guest runs compose 2.33 unless docker."
        "compose_plugin is `base`; keys of later releases are named as such. Your own notes go "
        "under keys that begin with `x-`.",
        _keys,
    ),
    error(
        "CMP031",
        "a value that compose does not take",
        "Compose refuses the file: a list in the place of a mapping, a number where text is "
        "wanted, a key without a value, or text of another form. Durations have a unit (30s, "
        "1m30s), sizes may have one (512m, 1.5gb). In YAML 1.2 yes, no, on and off are text.",
        _values,
    ),
)
