"""``lock`` for container images: which tags to resolve, and the result."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.cli.options import warn
from builder.documents import load_document
from builder.errors import Diagnostic, SpecError, UsageError
from builder.image_names import PLATFORMS, ImageName, Pin, parse_image_name
from builder.progress import Progress
from builder.rules import explain, of_rule
from builder.rules.compose.images import Named, Use, image_uses, named_images, unlockable
from builder.rules.model import Subject
from builder.spec import Spec
from builder.structs import Struct, replace


class Pins(Struct, frozen=True):
    """Resolved tags, and the pins before.

    Attributes:
        found: Full name of an image to the pin of its tag.
        before: Pins of the lock file before this run.
    """

    found: Mapping[str, Pin]
    before: Mapping[str, Pin]

    @property
    def is_new(self) -> bool:
        """Return whether the lock file does not have all of it yet."""
        return any(self.before.get(name) != pin for name, pin in self.found.items())

    def rows(self) -> list[dict[str, Any]]:
        """Return the pins as JSON values."""
        return [
            {
                "image": name,
                "digest": pin.digest,
                "platforms": dict(pin.platforms),
                "before": self._before(name),
            }
            for name, pin in self.found.items()
        ]

    def text(self) -> str:
        """Return the pins as text."""
        lines = []
        for name, pin in self.found.items():
            before = self._before(name)
            known = "as before" if before == pin.digest else f"was {before}" if before else ""
            lines.append(f"{pin.digest}  {name}{f'  ({known})' * bool(known)}\n")
        return "".join(lines)

    def _before(self, name: str) -> str:
        """Return the recorded digest, or an empty text."""
        return self.before[name].digest if name in self.before else ""


def lock_images(
    spec: Spec,
    archs: Mapping[str, str],
    progress: Progress,
    chosen: tuple[str, ...] = (),
    *,
    update: bool,
) -> Pins:
    """Resolve the image tags of a spec that the lock file does not have.

    Args:
        spec: The spec, with the pins of the lock file.
        archs: Architectures that it is built for, each with the name of a target.
        progress: Shows which registry is asked.
        chosen: Images to resolve again; empty means all.
        update: Whether to resolve recorded tags again.

    Raises:
        SpecError: an image has no variant for one of the architectures, or its name is unknown.
        UsageError: the spec does not use a chosen image.
        FetchError: a registry does not answer.
    """
    uses = _lockable(spec)
    names = {str(use.name): use.name for use in uses if use.name}
    anew = _chosen(names, chosen) if update else set()
    asked = [name for key, name in names.items() if key in anew or key not in spec.pins]
    found = _resolve(asked, progress)
    shipped = _with_variants(uses, {**spec.pins, **found}, archs, progress)
    found |= shipped
    missing = tuple(
        problem for use in uses for problem in _missing(use, {**spec.pins, **found}, archs)
    )
    if missing:
        raise SpecError(tuple(dict.fromkeys(missing)))
    return Pins({name: _for_photon(pin) for name, pin in found.items()}, spec.pins)


def _lockable(spec: Spec) -> list[Use | Named]:
    """Return the images that are named by tag; warn of those that cannot be locked."""
    for overlay, section in Subject(spec).sections("compose"):
        for settings in section.values():
            load_document(overlay.directory / Path(settings["file"]).expanduser())
    uses = list(image_uses(spec))
    every: list[Use | Named] = [*uses, *named_images(spec)]
    if wrong := [use for use in every if use.name is None and not use.is_open]:
        raise SpecError(tuple(_problem("CMP019", use.find(use.refusal)) for use in wrong))
    warn(tuple(_problem("CMP007", unlockable(use)) for use in uses if use.is_open))
    return [
        use
        for use in every
        if use.name and not use.is_open and (use.is_shipped or not use.name.is_pinned)
    ]


def _chosen(names: Mapping[str, ImageName], chosen: tuple[str, ...]) -> set[str]:
    """Return the full names of the chosen images: a name without a tag means every tag."""
    if not chosen:
        return set(names)
    found: set[str] = set()
    for text in chosen:
        try:
            wanted = parse_image_name(text)
        except ValueError as error:
            raise UsageError(str(error)) from error
        is_exact = text.endswith(f":{wanted.tag}")
        meant = {
            key
            for key, name in names.items()
            if name.path == wanted.path and (not is_exact or name.tag == wanted.tag)
        }
        if not meant:
            there = ", ".join(sorted(names)) or "no images with a tag"
            raise UsageError(
                f"the spec does not use image {text}", hint=f"images of the spec: {there}"
            )
        found |= meant
    return found


def _resolve(names: list[ImageName], progress: Progress) -> dict[str, Pin]:
    """Resolve tags at their registries."""
    if not names:
        return {}
    from builder.fetch.registry import Registries
    from builder.pinning import resolve

    with Registries(progress) as registries:
        return {str(name): resolve(name, registries) for name in names}


def _with_variants(
    uses: list[Use | Named], pins: Mapping[str, Pin], archs: Mapping[str, str], progress: Progress
) -> dict[str, Pin]:
    """Return the pins of images that are shipped, with the blobs for each platform."""
    wanted: dict[str, set[str]] = {}
    for use in uses:
        if use.name and use.is_shipped:
            platforms = {use.platform or PLATFORMS[arch] for arch in archs}
            known = pins[str(use.name)]
            lacking = {p for p in platforms if p in known.platforms} - known.variants.keys()
            wanted.setdefault(str(use.name), set()).update(lacking)
    lacks = {name: platforms for name, platforms in wanted.items() if platforms}
    if not lacks:
        return {}
    from builder.containers.registry import read_variant
    from builder.fetch.registry import Registries

    found: dict[str, Pin] = {}
    with Registries(progress) as registries:
        for name, platforms in lacks.items():
            pin = pins[name]
            exact = replace(parse_image_name(name), digest=pin.digest)
            fresh = {each: read_variant(exact, each, registries) for each in sorted(platforms)}
            found[name] = replace(pin, variants={**pin.variants, **fresh})
    return found


def _missing(
    use: Use | Named, pins: Mapping[str, Pin], archs: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """Yield a problem for each architecture that an image does not run on."""
    pin = pins[str(use.name)]
    for arch, target in archs.items():
        lack = pin.lack(PLATFORMS[arch])
        if lack and not use.platform:
            hint = f"{target} is built for {arch}: use another image or tag"
            yield _problem("CMP006", use.find(f"the image {use.text} {lack}", hint))


def _problem(code: str, finding: Diagnostic) -> Diagnostic:
    """Return a finding as a problem with a rule's code."""
    return of_rule(explain(code), finding)


def _for_photon(pin: Pin) -> Pin:
    """Return a pin with the platforms that Photon runs on; others are irrelevant."""
    kept = {name: pin.platforms[name] for name in PLATFORMS.values() if name in pin.platforms}
    return replace(pin, platforms=kept)
