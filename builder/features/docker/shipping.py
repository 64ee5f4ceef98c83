"""Container images that the whole spec ships, each in an archive of its own; no feature itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.documents import load_document
from builder.errors import Diagnostic, SpecError
from builder.features import Context
from builder.features.projects import make_project
from builder.features.sources import local_path
from builder.guest.compose.images import Used
from builder.image_archive import Archive, Image, archives_of
from builder.image_names import PLATFORMS, parse_image_name
from builder.structs import replace

_ZSTD_SINCE = 23
_LOCK = "run `photon-builder lock SPEC`"


def find_image(used: Used, context: Context) -> Image | Diagnostic:
    """Return an image as the lock file has it, or why it cannot be shipped."""
    try:
        name = parse_image_name(used.text)
    except ValueError as error:
        return Diagnostic(str(error), "CMP019")
    platform = used.platform or PLATFORMS[context.arch]
    pin = context.pins.get(str(name))
    if pin is None or platform not in pin.variants:
        what = f"its blobs for {platform}" if pin else "it"
        message = f"the image {used.text} is to be shipped, and the lock file does not have {what}"
        return Diagnostic(message, "CMP020", _LOCK)
    return Image(name, pin.variants[platform])


def shipped(context: Context) -> tuple[Archive, ...]:
    """Return the archives of a whole spec, in the order in which they are loaded."""
    found: dict[str, Image] = {}
    for directory, values in context.sections:
        here = replace(context, directory=directory)
        for used in (*_of_compose(values, here), *_of_docker(values)):
            image = find_image(used, here)
            if isinstance(image, Image):
                found.setdefault(image.name.short, image)
    return archives_of(found.values(), reads_zstd=_reads_zstd(context))


def _reads_zstd(context: Context) -> bool:
    """Return whether the engine of the base reads layers in zstd: Docker does since 23."""
    major = context.facts.docker.version.partition(".")[0]
    return major.isdigit() and int(major) >= _ZSTD_SINCE


def _of_compose(values: Mapping[str, Any], context: Context) -> Iterator[Used]:
    """Yield the images of the compose projects that are shipped; what cannot be read is left."""
    for name, settings in values.get("compose", {}).items():
        file = local_path(settings["file"], context)
        if not settings.get("preload") or not file.is_file():
            continue
        try:
            document = load_document(file)
        except SpecError:
            continue
        yield from make_project(name, document, file, settings.get("env", {}), context).images


def _of_docker(values: Mapping[str, Any]) -> Iterator[Used]:
    """Yield the images that `docker` names."""
    for number, text in enumerate(values.get("docker", {}).get("images", ())):
        yield Used("", str(text), ("images", number))
