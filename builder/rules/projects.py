"""The compose projects of a spec, read for the rules; what cannot be read is left out."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from builder.documents import Document, load_document
from builder.errors import KeyPath, SpecError
from builder.guest.compose import (
    Published,
    is_on_host_network,
    iter_exposed,
    iter_published,
)
from builder.guest.compose import iter_services as services_of
from builder.guest.dotenv import env_text, parse_env, text_beside
from builder.guest.interpolation import interpolate
from builder.rules.model import Finding, Subject
from builder.spec import Overlay
from builder.structs import Struct


class Project(Struct, frozen=True):
    """A compose project.

    Attributes:
        name: Its key in the spec.
        overlay: The overlay that has it.
        document: Its compose file.
        value: What the file says, variables in their places; ``0`` for those by reference.
        variables: Name to value; ``0`` for those by reference.
        references: Names of the variables that are given by reference.
        preload: Whether its images are shipped inside the artifact.
    """

    name: str
    overlay: Overlay
    document: Document
    value: object
    variables: Mapping[str, str]
    references: tuple[str, ...]
    preload: bool

    def services(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield name and settings of each service."""
        yield from services_of(self.value)

    def find(self, path: KeyPath, message: str, hint: str = "") -> Finding:
        """Return a finding in the compose file."""
        return Finding(message, self.document, path, hint)

    def ports(self) -> list[Published]:
        """Return the ports of the host that it takes; none when one of them is no port."""
        try:
            found = list(iter_published(self.value))
            for name, service in self.services():
                if is_on_host_network(service):
                    found += iter_exposed(name, service)
        except ValueError:
            return []
        return found


def projects(subject: Subject) -> Iterator[Project]:
    """Yield each project whose file can be read."""
    for overlay, section in subject.sections("compose"):
        for name, settings in section.items():
            document = _read(overlay.directory / Path(str(settings.get("file", ""))).expanduser())
            if document is not None:
                env = settings.get("env", {})
                given = {key: "0" if isinstance(v, dict) else env_text(v) for key, v in env.items()}
                variables = parse_env(text_beside(document.path), given).variables
                value, _ = interpolate(document.value, variables)
                references = tuple(key for key, v in env.items() if isinstance(v, dict))
                preload = bool(settings.get("preload"))
                yield Project(name, overlay, document, value, variables, references, preload)


def iter_services(subject: Subject) -> Iterator[tuple[Project, KeyPath, Mapping[str, Any]]]:
    """Yield every service of every project, with its path."""
    for project in projects(subject):
        for name, service in project.services():
            yield project, ("services", name), service


def publishers(subject: Subject, port: int) -> Iterator[Project]:
    """Yield each project that takes a port of the host."""
    for project in projects(subject):
        if any(published.covers(port) for published in project.ports()):
            yield project


def environment(service: Mapping[str, Any]) -> Iterator[tuple[str | int, str, str]]:
    """Yield step, name and value of each variable, written as a mapping or as a list."""
    given = service.get("environment")
    if isinstance(given, dict):
        yield from ((name, str(name), str(value)) for name, value in given.items())
    elif isinstance(given, list):
        for index, text in enumerate(given):
            name, _, value = str(text).partition("=")
            yield index, name, value


def _read(path: Path) -> Document | None:
    """Return a compose file, ``None`` when it cannot be read."""
    try:
        return _read_once(path, path.stat().st_mtime_ns)
    except (OSError, SpecError):
        return None


@lru_cache(maxsize=64)
def _read_once(path: Path, _: int) -> Document:
    """Return a file that several rules look at, read once as long as it does not change."""
    return load_document(path)
