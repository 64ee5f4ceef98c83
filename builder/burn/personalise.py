"""Settings of single cards, ``--set``, edited into the blocks of the image.

The settings are those of an overlay, ``hostname=pi1`` or ``network.eth0.dns=[192.168.1.1]``, the
value in YAML. The image is neither changed nor copied: the blocks that differ are kept in memory
and replace the image's while the card is written. Afterwards the files are read from the card.

Editing needs random access, so a packed image is unpacked to an anonymous file for it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from builder.burn.chunks import BlockPatches
from builder.burn.source import BurnImage, iter_spans, joined_extents
from builder.carriers.edit import edit, operations
from builder.documents import parse_document
from builder.engine.tree import Tree
from builder.errors import FormatError, GuestError, SpecError, UsageError, VerifyError
from builder.facts import facts_of
from builder.features import discover
from builder.formats.disk import Disk
from builder.formats.scratch import temporary_folder
from builder.formats.shadow import ShadowDisk
from builder.formats.sparse import SparseDisk, open_scratch, write_sparse
from builder.formats.stream import truncate
from builder.plan import Step, make_plan
from builder.progress import Progress
from builder.roots.disk import open_root, read_release
from builder.schema import check_schema, overlay_schema
from builder.spec import Overlay, SampleBase, Spec
from builder.structs import Struct, replace
from builder.verify import difference

_OPTION = Path("--set")


class CardEdits(Struct, frozen=True):
    """The edits that the settings of one card make.

    Attributes:
        patches: Blocks that differ from the image.
        steps: The plan of the settings.
        timestamp: Time of the edit, seconds since the epoch.
    """

    patches: BlockPatches
    steps: tuple[Step, ...]
    timestamp: int


def settings_for(path: Path, paths: Sequence[Path], settings: Iterable[str]) -> list[str]:
    """Return the settings of one card: its own, and those of all cards.

    Args:
        path: The card, as the user named it.
        paths: All cards.
        settings: ``[DEVICE:]KEY=VALUE``.

    Raises:
        UsageError: a setting names a device that is not in ``paths``.
    """
    found = []
    for setting in settings:
        name, rest = _split(setting, paths)
        if name in {None, path}:
            found.append(rest)
    return found


def personalise(disk: Disk, settings: Iterable[str], timestamp: int) -> CardEdits:
    """Return the edits that settings make to an image.

    Raises:
        SpecError: a setting is not valid in an overlay.
        FormatError: the image has no root filesystem of Photon OS.
        GuestError: a setting does not fit the image.
    """
    shadow = ShadowDisk(disk)
    root = open_root(shadow, timestamp=timestamp)
    release = read_release(root).version
    spec = _spec(parse_settings(settings))
    steps = make_plan(spec, discover(), facts=facts_of(release)).without_defaults().steps
    edit(root, steps, timestamp)
    root.flush()
    return CardEdits(BlockPatches(shadow.changes()), steps, timestamp)


@contextmanager
def open_unpacked(image: BurnImage, progress: Progress) -> Iterator[tuple[Disk, BurnImage]]:
    """Yield the disk in an image, and the image to read from now on.

    Raises:
        DigestMismatch: the image's digest is not the expected one.
        FormatError: the image is damaged.
        HostError: there is no room to unpack it.
    """
    if image.is_raw and image.path is not None:
        fd = os.open(image.path, os.O_RDONLY)
        try:
            yield SparseDisk(fd, image.size, name=image.name), image
        finally:
            os.close(fd)
        return
    folder = image.path.resolve().parent if image.path else temporary_folder()
    if not os.access(folder, os.W_OK):
        folder = temporary_folder()
    with open_scratch(folder) as fd:
        progress.phase(f"unpacking {image.name} to edit its root filesystem for each card")
        for offset, content in image.iter_runs():
            if isinstance(content, bytes):
                write_sparse(fd, content, offset)
        image.check()  # before its root is read and the card is opened
        truncate(fd, image.size)
        extents = joined_extents(fd, image.size)
        mapped = sum(length for _, length in extents)
        ready = replace(image, mapped=mapped, iter_runs=partial(iter_spans, fd, extents))
        yield SparseDisk(fd, image.size, name=image.name), ready


def check_card(disk: Disk, edits: CardEdits, name: str) -> None:
    """Read the files of the settings from a card.

    Raises:
        VerifyError: a setting is missing.
    """
    try:
        root: Tree = open_root(ShadowDisk(disk), timestamp=edits.timestamp)
        missing = [difference(root, op) for op in operations(root, edits.steps, edits.timestamp)]
    except (FormatError, GuestError) as error:
        raise VerifyError(f"{name}: {error}", hint=error.hint) from error
    if missing:
        raise VerifyError(
            f"{name}: settings of --set are not on the card: {'; '.join(missing)}",
            hint="the card or its reader is broken",
        )


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return settings as the mapping of an overlay.

    Raises:
        UsageError: a setting has no value, or contradicts another.
        SpecError: a value is not valid YAML.
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
    document = parse_document(json.dumps(values), _OPTION)
    if problems := check_schema(document, overlay_schema(discover(), examples=False)):
        raise SpecError(problems)
    overlay = Overlay(str(_OPTION), Path(), values, document)
    return Spec(_OPTION, "card", (), SampleBase(), (overlay,), {}, {}, document)


def _split(setting: str, paths: Sequence[Path]) -> tuple[Path | None, str]:
    """Return the device of a setting, ``None`` for all, and the setting without it.

    Names in ``/dev/disk/by-id`` contain colons, so the longest name that fits counts.
    """
    if not setting.startswith("/"):
        return None, setting
    parts = setting.split(":")
    for count in range(len(parts) - 1, 0, -1):
        name = Path(":".join(parts[:count]))
        if name in paths:
            return name, ":".join(parts[count:])
    named = setting.partition("=")[0].rpartition(":")[0] or setting
    raise UsageError(
        f"--set {setting}: {named} is not among the devices that are written",
        hint=f"name it as it is given: {', '.join(map(str, paths))}",
    )
