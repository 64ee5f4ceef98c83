"""What a service of a compose file is made of: its own settings, and those that it extends.

Source: Compose Specification, "services" (extends, profiles). Nothing is merged here; a reader
looks at the layers in order, the service's own first.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from builder.documents import load_document
from builder.errors import KeyPath, SpecError
from builder.guest.compose import iter_services
from builder.guest.compose.interpolation import interpolate
from builder.structs import Struct

_Plain: TypeAlias = Any
"""Plain data: what YAML can say."""

_MAX_EXTENDS = 8

Read = Callable[[str], object]
"""Returns what another compose file says, by its path from the project's folder."""


class Layer(Struct, frozen=True):
    """Settings of a service, or of one that it extends.

    Attributes:
        settings: What they are.
        path: Where the main file has them, or which service extends them from another file.
        folder: The folder that their paths start from, below the project's; empty for that.
        is_here: Whether they stand in the main file.
    """

    settings: Mapping[str, Any]
    path: KeyPath
    folder: str = ""
    is_here: bool = True

    def at(self, *steps: str | int) -> KeyPath:
        """Return the path of a setting; that of the service when it stands in another file."""
        return (*self.path, *steps) if self.is_here else self.path


class MissingBase(Struct, frozen=True):
    """A service that is extended and does not exist, or a file that has none."""

    path: KeyPath
    service: str
    file: str = ""
    is_file_missing: bool = False


def reader(folder: Path, variables: Mapping[str, str]) -> Read:
    """Return what reads compose files below ``folder``; what cannot be read says nothing."""

    def read(relative: str) -> object:
        try:
            return interpolate(load_document(folder / relative).value, variables)[0]
        except SpecError:
            return None

    return read


def layers(project: object, name: str, read: Read) -> list[Layer]:
    """Return what a service is made of, its own settings first."""
    return [layer for layer in _walk(project, name, read) if isinstance(layer, Layer)]


def missing_bases(project: object, name: str, read: Read) -> list[MissingBase]:
    """Return what a service extends and what cannot be found."""
    return [found for found in _walk(project, name, read) if isinstance(found, MissingBase)]


def setting(found: list[Layer], key: str) -> _Plain:
    """Return a setting of a service: the first layer that has it decides."""
    return next((layer.settings[key] for layer in found if key in layer.settings), None)


def active_services(project: object, variables: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Return the services that start: those without a profile, or with one that is switched on."""
    wanted = {profile.strip() for profile in variables.get("COMPOSE_PROFILES", "").split(",")}
    found = {}
    for name, service in iter_services(project):
        given = service.get("profiles")
        profiles = set(map(str, given)) if isinstance(given, list) else set()
        if not profiles or "*" in wanted or profiles & wanted:
            found[name] = service
    return found


class _Step(Struct):
    """Where a walk along `extends` stands."""

    project: object
    name: str
    path: KeyPath
    file: str = ""
    is_here: bool = True

    def follow(self, extends: Mapping[str, Any], read: Read) -> None:
        """Go to the service that is extended."""
        if self.is_here:
            self.path = ("services", self.name, "extends")
        self.name = str(extends.get("service", ""))
        if other := extends.get("file"):
            folder = posixpath.dirname(self.file)
            self.file = posixpath.normpath(posixpath.join(folder, str(other)))
            self.project, self.is_here = read(self.file), False


def _walk(project: object, name: str, read: Read) -> Iterator[Layer | MissingBase]:
    """Yield the layers of a service, and what is missing of them."""
    step = _Step(project, name, ("services", name))
    for depth in range(_MAX_EXTENDS):
        service = dict(iter_services(step.project)).get(step.name)
        if service is None:
            if depth:
                is_missing = step.project is None
                yield MissingBase(step.path, step.name, step.file, is_missing)
            return
        path = ("services", step.name) if step.is_here else step.path
        yield Layer(service, path, posixpath.dirname(step.file), step.is_here)
        extends = service.get("extends")
        if isinstance(extends, str):
            extends = {"service": extends}
        if not isinstance(extends, dict):
            return
        step.follow(extends, read)
