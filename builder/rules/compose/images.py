"""Rules of the images that compose projects run: their names, and what the lock file has of them.

Source: Compose Specification, "Merge"; the reference grammar of the distribution project.
"""

import re
from collections.abc import Iterator
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.guest.compose.images import OTHER_OVERRIDES, OVERRIDE, Used, iter_images
from builder.guest.compose.interpolation import interpolate
from builder.guest.compose.layers import reader
from builder.image_names import ImageName, Pin, parse_image_name
from builder.rules.compose.projects import Project, projects
from builder.rules.model import Rule, Subject, error, find, warning
from builder.spec import Overlay, Spec
from builder.structs import Struct

_VERSION = re.compile(r".*\d+[._-]\d+.*|[0-9a-f]{7,40}|\d{8}")
_OTHER = "1"


class Use(Struct, frozen=True):
    """An image that a service of the spec runs.

    Attributes:
        project: The compose project.
        used: Service, text and position.
        name: What the text means; ``None`` when it is no name of an image.
        refusal: Why it is none.
        is_open: Whether a variable that is given by reference decides which image it is.
    """

    project: Project
    used: Used
    name: ImageName | None
    refusal: str
    is_open: bool

    def pin(self, spec: Spec) -> Pin | None:
        """Return what the lock file has of it."""
        return spec.pins.get(str(self.name)) if self.name and not self.is_open else None

    @property
    def text(self) -> str:
        """The image, as the compose file has it."""
        return self.used.text

    @property
    def platform(self) -> str:
        """What the service says it wants; empty for the machine's own."""
        return self.used.platform

    @property
    def is_shipped(self) -> bool:
        """Whether it lies inside the artifact."""
        return self.project.preload

    @property
    def user(self) -> str:
        """Who runs it: project and service."""
        return f"{self.project.name}/{self.used.service}"

    def find(self, message: str, hint: str = "") -> Diagnostic:
        """Return a finding where the compose file names it."""
        return self.project.find(self.used.path, message, hint)


class Named(Struct, frozen=True):
    """An image that `docker: {images: […]}` ships, for whoever runs it.

    Attributes:
        overlay: The overlay that names it.
        path: Where.
        text: As it is written.
        name: What the text means; ``None`` when it is not the name of an image.
        refusal: Why it is none.
    """

    overlay: Overlay
    path: KeyPath
    text: str
    name: ImageName | None
    refusal: str
    is_open = False
    is_shipped = True
    platform = ""
    user = "docker.images"

    def pin(self, spec: Spec) -> Pin | None:
        """Return what the lock file has of it."""
        return spec.pins.get(str(self.name)) if self.name else None

    def find(self, message: str, hint: str = "") -> Diagnostic:
        """Return a finding where the spec names it."""
        return find(self.overlay, self.path, message, hint)


def named_images(spec: Spec) -> Iterator[Named]:
    """Yield every image that `docker` names."""
    for overlay, path, text in Subject(spec).listed("docker", "images"):
        try:
            yield Named(overlay, path, str(text), parse_image_name(str(text)), "")
        except ValueError as wrong:
            yield Named(overlay, path, str(text), None, str(wrong))


def image_uses(spec: Spec) -> Iterator[Use]:
    """Yield every image of every compose project of a spec."""
    for project in projects(Subject(spec)):
        others = _images(project, dict.fromkeys(project.references, _OTHER))
        settled = {(used.service, used.text) for used in others}
        for used in _images(project, {}):
            try:
                name, refusal = parse_image_name(used.text), ""
            except ValueError as wrong:
                name, refusal = None, str(wrong)
            yield Use(project, used, name, refusal, (used.service, used.text) not in settled)


def pinned_images(spec: Spec) -> dict[str, str]:
    """Return the images of a spec that the lock file holds, by full name, with their digests."""
    every: list[Use | Named] = [*image_uses(spec), *named_images(spec)]
    pins = {str(use.name): use.pin(spec) for use in every}
    return {name: pin.digest for name, pin in sorted(pins.items()) if pin}


def _images(project: Project, changed: dict[str, str]) -> tuple[Used, ...]:
    """Return the images of a project, some variables being changed."""
    variables = {**project.variables, **changed}
    value, _ = interpolate(project.document.value, variables)
    read = reader(project.document.path.parent, variables)
    return tuple(iter_images(value, read))


def _unlocked(subject: Subject) -> Iterator[Diagnostic]:
    """Find images whose name may mean another image tomorrow.

    The tag of a full version says enough to those who lock nothing.
    """
    for use in image_uses(subject.spec):
        name = use.name
        if use.is_open:
            yield unlockable(use)
        elif name and not name.is_pinned and not use.pin(subject.spec):
            is_version = _VERSION.fullmatch(name.tag) is not None
            if not is_version:
                yield use.find(*_floating(name))
            elif subject.spec.pins:
                message = f"the lock file has other images, and not {name.text}"
                yield use.find(message, "run `photon-builder lock SPEC`")


def unlockable(use: Use) -> Diagnostic:
    """Return the finding of an image that no lock file can hold: nothing of a secret goes there."""
    return use.find(
        f"which image {use.used.service} runs is given by reference, so it cannot be locked",
        "a tag is no secret: write it under env of the project as it is",
    )


def _floating(name: ImageName) -> tuple[str, str]:
    """Return what is wrong with a tag that moves, and what to do."""
    short = name.repository.rpartition("/")[2]
    is_written = name.text.endswith(f":{name.tag}")
    shown = f"tag {name.tag}" if is_written else "no tag, which means latest"
    message = f"the image {short} has {shown}: tomorrow it may be another image"
    return message, "name a full version, or run `photon-builder lock SPEC`; best do both"


def _nameless(subject: Subject) -> Iterator[Diagnostic]:
    """Find what no registry can have."""
    for use in image_uses(subject.spec):
        if use.name is None and not use.is_open and not _is_undefined(use):
            yield use.find(use.refusal, _lower_hint(use.used.text.lower()))


def _lower_hint(text: str) -> str:
    """Return the name in lower case, when that is a valid one."""
    try:
        return f"write {parse_image_name(text).text}"
    except ValueError:
        return "write registry/path/name:tag, such as nginx:1.27"


def _is_undefined(use: Use) -> bool:
    """Return whether the image is named by a variable that has no value, which is an error too."""
    value: Any = use.project.document.value
    for step in use.used.path:
        value = value[step]
    return bool(interpolate(value, use.project.variables)[1])


def _overrides(subject: Subject) -> Iterator[Diagnostic]:
    """Find files that compose would read on this machine and does not have on the guest."""
    for project in projects(subject):
        for name in (OVERRIDE, *OTHER_OVERRIDES):
            if project.document.path.with_name(name).is_file():
                message = f"{name} lies beside the compose file and is not taken along"
                hint = "fold into the compose file what the machine needs of it"
                yield project.find(("services",), message, hint)


RULES: tuple[Rule, ...] = (
    error(
        "CMP006",
        "an image that does not run on the machine",
        "An image is built for platforms, linux/amd64 or linux/arm64 for what Photon runs on, and "
        "this one has none for the architecture of the base. Without a lock file that shows on the "
        "first boot only. `photon-builder lock` names the platforms there are. A service that "
        "names its own `platform` is left alone.",
    ),
    warning(
        "CMP007",
        "an image tag that is not locked",
        "A tag names whatever was pushed last; `latest`, no tag at all, or one such as `alpine` "
        "change as a matter of course. Two machines of one spec may then differ, and an update "
        "comes unasked. Full versions are pushed anew as well, if seldom: they are reported "
        "once the lock file has any image. `photon-builder lock SPEC` asks the registry what each "
        "tag means, and writes the digest into photon-builder.lock beside the spec; from then on "
        "the guest pulls exactly that image, by a compose.override.yaml beside your compose file. "
        "`photon-builder lock SPEC --update` asks anew, for all images or for those named after "
        "SPEC. A digest in the compose file (name:tag@sha256:…) needs no lock.",
        _unlocked,
    ),
    error(
        "CMP019",
        "not the name of an image",
        "Names are registry/path/name:tag. Without a registry the image is Docker Hub's. Path and "
        "name are lower case letters, digits and separators; a tag has up to 128 letters, digits "
        "and . _ -; a digest is sha256: and 64 hex digits.",
        _nameless,
    ),
    warning(
        "CMP024",
        "an override that stays behind",
        "On this machine compose would read compose.override.yaml beside the compose file, too. "
        "The guest has the compose file alone, and at the override's place the images that are "
        "locked. Leave it where it is when it is for this machine only.",
        _overrides,
    ),
    error(
        "CMP025",
        "COMPOSE_FILE turns the pins off",
        "Locked images come to the guest by compose.override.yaml, which compose reads by itself, "
        "but not when COMPOSE_FILE in .env says which files to read.",
    ),
)
