"""The images of a compose project, as the lock file pins them; no feature of its own."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import Remove, WriteFile
from builder.errors import Diagnostic
from builder.features import Context, Reasoned, Requested
from builder.features.projects import Project
from builder.guest.compose import project_directory
from builder.guest.compose.dotenv import parse_env
from builder.guest.compose.images import OTHER_OVERRIDES, OVERRIDE, Used, format_override
from builder.guestpath import join
from builder.image_names import PLATFORMS, ImageName, Pin, parse_image_name

_FILES = "COMPOSE_FILE"


def pin_changes(project: Project, context: Context, *, is_shipped: bool) -> Iterator[Requested]:
    """Yield the file by which compose runs what the lock file names, and nothing else.

    An image that was loaded is known by its tag alone: Docker's own store keeps no digest of it.
    """
    pinned = list(_pinned(project, context))
    if not pinned:
        return
    if _FILES in parse_env(project.env).variables:
        message = f"{_FILES} in .env makes compose skip {OVERRIDE}, which pins the images"
        yield Diagnostic(message, "CMP025", f"drop {_FILES}: compose finds its files", ("file",))
    for used, _, pin in pinned:
        yield from _faults(project, used, pin, context)
    folder = project_directory(project.name)
    images = {
        used.service: name.short if is_shipped else name.pinned_to(pin.digest)
        for used, name, pin in pinned
    }
    text = format_override(images, pulls=not is_shipped)
    listed = ", ".join(sorted({f"{name.text} is {pin.digest}" for _, name, pin in pinned}))
    reason = f"compose reads it after compose.yaml; by the lock file {listed}"
    yield Reasoned(WriteFile(join(folder, OVERRIDE), Blob.text(text)), reason)
    for other in OTHER_OVERRIDES:
        yield Reasoned(Remove(join(folder, other)), f"compose reads one such file: {OVERRIDE}")


def _pinned(project: Project, context: Context) -> Iterator[tuple[Used, ImageName, Pin]]:
    """Yield the images that the lock file knows; the rules speak of the others."""
    for used in project.images:
        try:
            name = parse_image_name(used.text)
        except ValueError:
            continue
        pin = context.pins.get(str(name))
        if pin is not None:
            yield used, name, pin


def _faults(project: Project, used: Used, pin: Pin, context: Context) -> Iterator[Diagnostic]:
    """Yield the fault of an image that does not run on the machine."""
    lack = pin.lack(PLATFORMS[context.arch])
    if lack and not used.platform:
        message = f"the image {used.text}, as it is locked, {lack}"
        hint = "use another image or tag, or run `photon-builder lock SPEC --update`"
        place, line = project.document.spot(used.path)
        yield Diagnostic(message, "CMP006", hint, place=place, excerpt=line)
