"""The compose projects of a spec, read for the rules; what cannot be read is left out."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from builder.documents import Document, load_document
from builder.errors import Diagnostic, KeyPath, SpecError
from builder.guest.compose import (
    Published,
    is_on_host_network,
    iter_exposed,
    iter_published,
)
from builder.guest.compose import iter_services as services_of
from builder.guest.compose.dotenv import env_text, parse_env, text_beside
from builder.guest.compose.interpolation import interpolate
from builder.guest.compose.layers import Layer, Read, active_services, layers, reader
from builder.rules.model import Subject, finding
from builder.spec import Overlay
from builder.structs import Struct

_KNOWN = "projects"


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
        unsettled: Paths of the texts that depend on variables by reference or without a value.
        secrets: Names of the secrets that the spec gives.
    """

    name: str
    overlay: Overlay
    document: Document
    value: object
    variables: Mapping[str, str]
    references: tuple[str, ...]
    preload: bool
    unsettled: frozenset[KeyPath] = frozenset()
    secrets: frozenset[str] = frozenset()

    @property
    def read(self) -> Read:
        """What reads other compose files beside this one."""
        return reader(self.document.path.parent, self.variables)

    def services(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield name and settings of each service."""
        yield from services_of(self.value)

    @property
    def has_env(self) -> bool:
        """Return whether the guest has a ``.env`` beside the compose file."""
        return bool(self.variables) or self.document.path.with_name(".env").is_file()

    def find(self, path: KeyPath, message: str, hint: str = "") -> Diagnostic:
        """Return a breach in the compose file."""
        return finding(message, self.document, path, hint)

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


def projects(subject: Subject) -> list[Project]:
    """Return each project whose file can be read."""
    if _KNOWN not in subject.known:
        subject.known[_KNOWN] = list(_iter_projects(subject))
    found: list[Project] = subject.known[_KNOWN]
    return found


def _iter_projects(subject: Subject) -> Iterator[Project]:
    """Yield each project whose file can be read."""
    for overlay, section in subject.sections("compose"):
        for name, settings in section.items():
            document = _read(overlay.directory / Path(str(settings.get("file", ""))).expanduser())
            if document is not None:
                env = settings.get("env", {})
                given = {key: "0" if isinstance(v, dict) else env_text(v) for key, v in env.items()}
                variables = parse_env(text_beside(document.path), given).variables
                value, lacks = interpolate(document.value, variables)
                references = tuple(key for key, v in env.items() if isinstance(v, dict))
                other, _ = interpolate(
                    document.value, {**variables, **dict.fromkeys(references, "1")}
                )
                unsettled = frozenset((*_differences(value, other), *(lack.path for lack in lacks)))
                preload = bool(settings.get("preload"))
                secrets = frozenset(settings.get("secrets", ()))
                rest = (references, preload, unsettled, secrets)
                yield Project(name, overlay, document, value, variables, *rest)


class Service(Struct, frozen=True):
    """A service that starts, with what it extends.

    Attributes:
        project: Its project.
        name: Its name.
        layers: Its own settings, then those that it extends.
    """

    project: Project
    name: str
    layers: list[Layer]

    def has(self, key: str) -> bool:
        """Return whether it has a setting, of its own or from what it extends."""
        return any(layer.settings.get(key) is not None for layer in self.layers)

    def given(self, key: str) -> Iterator[tuple[Layer, Any]]:
        """Yield each layer that has a setting, with its value."""
        for layer in self.layers:
            if layer.settings.get(key) is not None:
                yield layer, layer.settings[key]

    def listed(self, key: str) -> Iterator[tuple[KeyPath, Any]]:
        """Yield path and value of each entry of a setting; one that is no list is its own entry."""
        for layer, value in self.given(key):
            entries = value if isinstance(value, list) else [value]
            for index, entry in enumerate(entries):
                steps = (key, index) if isinstance(value, list) else (key,)
                yield layer.at(*steps), entry

    def names(self, key: str) -> Iterator[tuple[KeyPath, str, Any]]:
        """Yield path, name and settings of each entry of a list of names, or of a mapping."""
        for layer, value in self.given(key):
            if isinstance(value, dict):
                yield from ((layer.at(key, name), name, inner) for name, inner in value.items())
            elif isinstance(value, list):
                yield from (
                    (layer.at(key, index), name, None)
                    for index, name in enumerate(value)
                    if isinstance(name, str)
                )


def active(project: Project) -> Iterator[Service]:
    """Yield the services of a project that start with it."""
    for name in active_services(project.value, project.variables):
        yield Service(project, name, layers(project.value, name, project.read))


def iter_active(subject: Subject) -> Iterator[Service]:
    """Yield the services of every project that start with it."""
    for project in projects(subject):
        yield from active(project)


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


def _differences(one: object, other: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths at which two values of one shape differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key, inner in one.items():
            yield from _differences(inner, other.get(key), (*path, key))
    elif isinstance(one, list) and isinstance(other, list):
        for index, (inner, another) in enumerate(zip(one, other, strict=True)):
            yield from _differences(inner, another, (*path, index))
    elif one != other:
        yield path


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
