"""The container images that a compose project runs, and the file that pins them.

Source: Compose Specification, "services" (image, build, extends, platform) and "Merge"; compose
reads ``compose.override.yaml`` beside ``compose.yaml`` by itself, and of several such files the
first in its own order. Images that are mounted as volumes are left out.
"""

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.documents import load_document
from builder.errors import KeyPath, SpecError
from builder.guest.compose import iter_services
from builder.guest.interpolation import interpolate
from builder.structs import Struct

OVERRIDE = "compose.override.yaml"
OTHER_OVERRIDES = (
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""Names under which compose looks for such a file as well; the first goes before ours."""

_MAX_EXTENDS = 8
_HEAD = "# Made by photon-builder: the images that photon-builder.lock pins.\n"

Read = Callable[[str], object]
"""Returns what another compose file says, by its path from the project's folder."""


class Used(Struct, frozen=True):
    """An image that a service runs.

    Attributes:
        service: Name of the service.
        text: The image, as the file has it.
        path: Where the file says so, or which service to look at.
        platform: What the service says it wants; empty for the machine's own.
    """

    service: str
    text: str
    path: KeyPath
    platform: str = ""


def iter_images(project: object, read: Read) -> Iterator[Used]:
    """Yield the image of each service that is not built from source.

    Args:
        project: A compose file, its variables expanded.
        read: For services that extend those of another file.
    """
    for name, service in iter_services(project):
        if "build" not in service:
            found = _inherited(project, name, "", read)
            at: KeyPath = ("services", name, "image" if "image" in service else "extends")
            if image := found.get("image"):
                yield Used(name, str(image), at, str(found.get("platform") or ""))


def reader(folder: Path, variables: Mapping[str, str]) -> Read:
    """Return what reads compose files below ``folder``; what cannot be read says nothing."""

    def read(relative: str) -> object:
        try:
            return interpolate(load_document(folder / relative).value, variables)[0]
        except SpecError:
            return None

    return read


def format_override(images: Mapping[str, str]) -> str:
    """Return the file that gives services their images; JSON texts are YAML texts."""
    lines = (
        f"  {json.dumps(service)}:\n    image: {json.dumps(image)}\n"
        for service, image in sorted(images.items())
    )
    return f"{_HEAD}services:\n{''.join(lines)}"


def _inherited(
    project: object, name: str, file: str, read: Read, depth: int = 0
) -> Mapping[str, Any]:
    """Return image and platform of a service, its own or those of what it extends."""
    service = dict(iter_services(project)).get(name, {})
    own = {key: service[key] for key in ("image", "platform") if service.get(key)}
    extends = service.get("extends")
    if isinstance(extends, str):
        extends = {"service": extends}
    if not isinstance(extends, dict) or depth >= _MAX_EXTENDS:
        return own
    base, other = str(extends.get("service", "")), extends.get("file")
    if other:
        file = posixpath.normpath(posixpath.join(posixpath.dirname(file), str(other)))
        project = read(file)
    return {**_inherited(project, base, file, read, depth + 1), **own}
