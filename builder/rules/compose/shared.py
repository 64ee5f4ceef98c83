"""Rules of networks and volumes that compose projects share.

Source: Compose Specification, "networks" and "volumes" (external).
"""

from collections.abc import Iterator, Mapping

from builder.errors import Diagnostic, KeyPath
from builder.guest.compose.shared import Shared, iter_external, iter_made
from builder.rules.compose.projects import Project, projects
from builder.rules.model import Rule, Subject, error


def _circles(subject: Subject) -> Iterator[Diagnostic]:
    """Find projects that wait for each other's networks or volumes."""
    everything = projects(subject)
    makers = {made: p.name for p in everything for made in iter_made(p.name, p.value)}
    waits = {p.name: list(_waits(p, makers)) for p in everything}
    for project in everything:
        for path, shared, maker in waits[project.name]:
            if project.name in _reached(maker, waits):
                message = (
                    f"compose.{maker} makes the {shared.kind} {shared.name}, and waits for "
                    f"compose.{project.name} itself"
                )
                hint = f"make it external in compose.{maker}, too: then it is made before both"
                yield project.find(path, message, hint)


def _waits(project: Project, makers: Mapping[Shared, str]) -> Iterator[tuple[KeyPath, Shared, str]]:
    """Yield what a project uses and another one makes, and where it says so."""
    for shared, path in iter_external(project.value):
        maker = makers.get(shared, project.name)
        if maker != project.name:
            yield path, shared, maker


def _reached(name: str, waits: Mapping[str, list[tuple[KeyPath, Shared, str]]]) -> set[str]:
    """Return the projects that one waits for, and those that they wait for."""
    found: set[str] = set()
    left = [name]
    while left:
        makers = {maker for _, _, maker in waits[left.pop()]} - found
        found |= makers
        left += makers
    return found


RULES: tuple[Rule, ...] = (
    error(
        "CMP040",
        "a name that docker does not take",
        "Networks and volumes of the engine are named with letters, digits, `_`, `.` and `-`, a "
        "letter or a digit first. An external one that no project makes is made before the "
        "project comes up: a network by `docker network create`, a volume by `docker volume "
        "create`. For a network with a subnet of its own, let one project make it, under "
        "`networks: {NAME: {name: NAME, ipam: …}}`; the others wait for that project.",
    ),
    error(
        "CMP041",
        "projects that wait for each other",
        "A project comes up after those that make the networks and volumes it uses as external "
        "ones. When two wait for each other, neither ever comes up. Make the network external in "
        "both: it is then made before them.",
        _circles,
    ),
)
