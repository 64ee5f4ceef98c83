"""The images of a compose project that are shipped inside; no feature of its own."""

from collections.abc import Iterator, Mapping

from builder.blob import Blob
from builder.changes import WriteFile
from builder.errors import Diagnostic
from builder.features import Context, Reasoned, Requested
from builder.features.docker.shipped_files import wish_archives
from builder.features.docker.shipping import find_image
from builder.features.online import wish_wait
from builder.features.projects import Project
from builder.guest.compose import units as compose_units
from builder.image_archive import Image
from builder.structs import replace


def wish_preload(project: Project, context: Context) -> Iterator[Requested]:
    """Yield the archives of a project's images, and the faults of those that have none."""
    found: dict[str, Image] = {}
    for used in project.images:
        image = find_image(used, context)
        if isinstance(image, Diagnostic):
            place, line = project.document.spot(used.path)
            yield replace(image, place=place, excerpt=line)
        else:
            found.setdefault(f"{image.name} {image.variant.manifest.digest}", image)
    yield from wish_archives(found.values(), context, f"compose.{project.name}.preload")
    yield from wish_wait(context)


def wish_network(
    name: str, settings: Mapping[str, object], context: Context
) -> Iterator[Requested]:
    """Yield what makes a project wait for the network, when others do not."""
    if ships_any(context) and not settings.get("preload"):
        path = compose_units.network_path(name)
        text = Blob.text(compose_units.NETWORK)
        yield Reasoned(WriteFile(path, text), f"compose.{name} pulls its images")


def ships_any(context: Context) -> bool:
    """Return whether a project of the spec is shipped with its images."""
    return any(each.get("preload") for each in context.overlay.get("compose", {}).values())
