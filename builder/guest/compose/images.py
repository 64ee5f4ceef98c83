"""The container images that a compose project runs, and the file that pins them.

Source: Compose Specification, "services" (image, build, extends, platform) and "Merge"; compose
reads ``compose.override.yaml`` beside ``compose.yaml`` by itself, and of several such files the
first in its own order. Images that are mounted as volumes are left out.
"""

import json
from collections.abc import Iterator, Mapping

from builder.errors import KeyPath
from builder.guest.compose import iter_services
from builder.guest.compose.layers import Read, layers, setting
from builder.structs import Struct

OVERRIDE = "compose.override.yaml"
OTHER_OVERRIDES = (
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""Names under which compose looks for such a file as well; the first goes before ours."""

_HEAD = "# Made by photon-builder: the images that photon-builder.lock pins.\n"


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
            found = layers(project, name, read)
            at: KeyPath = ("services", name, "image" if "image" in service else "extends")
            if image := setting(found, "image"):
                yield Used(name, str(image), at, str(setting(found, "platform") or ""))


def format_override(images: Mapping[str, str], *, pulls: bool = True) -> str:
    """Return the file that gives services their images; JSON texts are YAML texts.

    Args:
        images: Service to image.
        pulls: Whether compose may pull them; not those that were loaded, whose tags may mean
            others by then.
    """
    never = "" if pulls else "    pull_policy: never\n"
    lines = (
        f"  {json.dumps(service)}:\n    image: {json.dumps(image)}\n{never}"
        for service, image in sorted(images.items())
    )
    return f"{_HEAD}services:\n{''.join(lines)}"
