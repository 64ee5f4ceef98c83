"""What one card has of its own: a few settings, edited into the image's blocks on this machine.

The settings are those of an overlay, ``hostname=pi1`` or ``network.eth0.dns=[192.168.1.1]``, the
value in YAML. The image is not changed and not copied: the blocks that differ are kept in memory
and laid over it while the card is written. Afterwards they are read out of the card by name.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from builder.burn.overlay import Overlay as Blocks
from builder.carriers.edit import edit, operations
from builder.documents import parse_document
from builder.engine.tree import Tree
from builder.errors import FormatError, GuestError, SpecError, UsageError, VerifyError
from builder.facts import facts_of
from builder.features import Feature, discover
from builder.formats.disk import Disk
from builder.formats.shadow import ShadowDisk
from builder.plan import Step, make_plan
from builder.roots.disk import open_root, read_release
from builder.schema import check_schema, overlay_schema
from builder.spec import Overlay, SampleBase, Spec
from builder.structs import Struct
from builder.verify import difference

_OPTION = Path("--set")


class Personal(Struct, frozen=True):
    """What one card has of its own.

    Attributes:
        blocks: What differs from the image.
        steps: What was asked for.
        timestamp: Time of the edit, seconds since the epoch.
    """

    blocks: Blocks
    steps: tuple[Step, ...]
    timestamp: int


def personalise(disk: Disk, settings: Iterable[str], timestamp: int) -> Personal:
    """Work out the blocks of an image that differ on one card.

    Raises:
        SpecError: a setting is not one of an overlay.
        FormatError: the image has no root of a Photon OS.
        GuestError: a setting does not fit it.
    """
    shadow = ShadowDisk(disk)
    root = open_root(shadow, timestamp=timestamp)
    release = read_release(root).version
    steps = _steps(_spec(parse_settings(settings)), release)
    edit(root, steps, timestamp)
    root.flush()
    return Personal(Blocks(shadow.changes()), steps, timestamp)


def check_card(disk: Disk, personal: Personal, name: str) -> None:
    """Read the settings out of a card, by the names of the files.

    Raises:
        VerifyError: one is not there.
    """
    try:
        root: Tree = open_root(ShadowDisk(disk), timestamp=personal.timestamp)
        missing = [
            difference(root, op) for op in operations(root, personal.steps, personal.timestamp)
        ]
    except (FormatError, GuestError) as error:
        raise VerifyError(f"{name}: {error}", hint=error.hint) from error
    if missing:
        raise VerifyError(
            f"{name}: what --set asked for is not on the card: {'; '.join(missing)}",
            hint="the card or its reader is broken",
        )


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return settings as the mapping that an overlay would have.

    Raises:
        UsageError: one has no value, or contradicts another.
        SpecError: a value is no YAML.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        keys, equals, text = setting.partition("=")
        if not equals or not all(keys.split(".")):
            raise UsageError(f"--set {setting}: wanted key=value", hint="--set hostname=pi1")
        *above, last = keys.split(".")
        here = found
        for key in above:
            here = here.setdefault(key, {})
            if not isinstance(here, dict):
                raise UsageError(f"--set {setting}: {key} has a value already")
        here[last] = parse_document(text, _OPTION).value
    return found


def _spec(values: dict[str, Any]) -> Spec:
    """Return a spec with one overlay.

    Raises:
        SpecError: the values do not fit the schema of an overlay.
    """
    document = parse_document(json.dumps(values), _OPTION)
    if problems := check_schema(document, overlay_schema(_features(), examples=False)):
        raise SpecError(problems)
    overlay = Overlay(str(_OPTION), Path(), values, document)
    return Spec(_OPTION, "card", (), SampleBase(), (overlay,), {}, {}, document)


def _steps(spec: Spec, release: str) -> tuple[Step, ...]:
    """Return what a spec asks for by its own keys."""
    return make_plan(spec, _features(), facts=facts_of(release)).without_defaults().steps


def _features() -> tuple[Feature, ...]:
    """Return what an overlay may hold."""
    return discover()
