"""The front door of burning: an image onto cards, or unpacked to a file."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.artifact import stage
from builder.burn.card import no_permission
from builder.burn.confirm import check_answer, describe_contents, needs_answer, token
from builder.burn.devices import Device, SystemRoot
from builder.burn.host_state import eject, end_on_second_interrupt, stay_awake, unmount
from builder.burn.next_step import next_step
from builder.burn.options import BurnOptions
from builder.burn.personalise import open_unpacked, personalise, settings_for
from builder.burn.remote import is_address
from builder.burn.safety import (
    all_refusals,
    check,
    check_platform,
    check_size,
    find_device,
    mounts_of,
    source_refusals,
)
from builder.burn.session import CardOrder, CardResult, write_cards
from builder.burn.signature import SignerInfo
from builder.burn.source import BurnImage, check_published, check_unchanged
from builder.burn.usage import DeviceUsage
from builder.burn.verified_image import check_signature, open_image
from builder.cache import default_directory
from builder.errors import DeviceError, UsageError
from builder.formats.disk import SECTOR
from builder.formats.disk_file import unpack_disk
from builder.formats.stream import Span
from builder.host import state_of
from builder.progress import Progress, Silent
from builder.reproducible import timestamp
from builder.samples import HINT, SENTENCE, is_sample, is_sample_card
from builder.structs import Struct

Ask = Callable[[str], str]
"""Shows the confirmation that has to be typed, and returns the user's answer."""


class BurnReport(Struct, frozen=True):
    """The result of a burn.

    Attributes:
        image: Name of the image.
        size: Size of the disk in it, bytes.
        sha256: SHA-256 of the image file; empty when unknown or when every card failed.
        signer: The verified signature; ``None`` when none was needed.
        cards: One result for each device, in the order of the devices.
    """

    image: str
    size: int
    sha256: str
    signer: SignerInfo | None
    cards: tuple[CardResult, ...]


class UnpackedFile(Struct, frozen=True):
    """The result of unpacking an image to a file.

    Attributes:
        size: Size of the disk, bytes.
        kind: Format of the image.
        signer: The verified signature; ``None`` when none was needed.
    """

    size: int
    kind: str
    signer: SignerInfo | None


def burn(
    image: str,
    devices: Sequence[Path],
    options: BurnOptions,
    *,
    ask: Ask | None = None,
    notify: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> BurnReport:
    """Write an image to devices, read it back, and eject them.

    A card that fails does not stop the others: its error is in its result.

    Args:
        image: Path or address of the image.
        devices: Block devices; links are followed.
        options: Which disk is meant, which image is accepted, and how it is written.
        ask: Asks the user to confirm a device; ``None`` when nobody can be asked.
        notify: Called with what the user must read before confirming.
        progress: Where progress is shown.

    Raises:
        DeviceError: a device must not be written, or is not confirmed.
        DigestMismatch: the image's digest or signature is not valid.
        BuilderError: the image cannot be read, or is not a disk image.
    """
    progress = progress or Silent()
    if not devices:
        raise UsageError("no device given", hint="photon-builder devices lists them")
    check_platform()
    usage = DeviceUsage(SystemRoot())
    chosen = _find_devices(devices, image, usage, options)
    with open_image(image, options, progress) as source:
        _confirm(chosen, source, options, ask, notify)
        if options.unmount:
            for device in chosen.values():
                unmount(device, mounts_of(device, usage))
        return _write(chosen, source, options, progress)


def unpack(
    image: Path, target: Path, options: BurnOptions, progress: Progress | None = None
) -> UnpackedFile:
    """Write the disk in an image to a file, after the image was verified.

    Args:
        image: The image.
        target: The file; ``options.yes`` allows to replace it.
        options: Which image is accepted.
        progress: Where progress is shown.

    Raises:
        DeviceError: the target must not be written.
        DigestMismatch: the image's digest or signature is not valid.
        FormatError: the image is not a disk image, or is damaged.
    """
    progress = progress or Silent()
    _check_file(image, target, replaces=options.yes)
    before = state_of(image)
    known, signer = check_signature(image, options, progress)
    if not known:
        check_published(image, options.sha256)
    with stage(target.absolute().parent) as staging:
        disk, packed = unpack_disk(image, staging.fd)
        check_unchanged(image, before)
        staging.publish(target.absolute())
    return UnpackedFile(disk.size, packed.name, signer)


def _find_devices(
    paths: Sequence[Path], image: str, usage: DeviceUsage, options: BurnOptions
) -> dict[Path, Device]:
    """Return the device of each path; refuse those that must not be written."""
    system = SystemRoot()
    chosen = {path: find_device(system, usage, path) for path in paths}
    if len({device.number for device in chosen.values()}) != len(paths):
        raise UsageError("the same device is given twice")
    sources = {"the cache": default_directory(), "the working folder": Path.cwd()}
    if not is_address(image):
        sources["the image"] = Path(image)
    for device in chosen.values():
        check(all_refusals(device, system, usage, options), device)
        if not os.access(device.path, os.R_OK | os.W_OK):
            raise no_permission(device)
        check(source_refusals(device, usage, sources), device)
    return chosen


def _confirm(
    chosen: dict[Path, Device],
    source: BurnImage,
    options: BurnOptions,
    ask: Ask | None,
    notify: Callable[[str], None],
) -> None:
    """Show what will be erased, and let the user confirm every device."""
    is_warned = warn_of_sample(source, list(chosen.values()), notify, can_ask=ask is not None)
    for path, device in chosen.items():
        check_size(device, source.name, source.size)
        holds = describe_contents(device.path, device.size)
        notify(f"will be erased: {device.describe()}  [{holds}]")
        is_needed = is_warned or needs_answer(
            device, path, source.size, options, can_ask=ask is not None
        )
        if is_needed and ask is not None:
            check_answer(device, ask(token(device)))


def warn_of_sample(
    source: BurnImage, devices: list[Device], notify: Callable[[str], None], *, can_ask: bool
) -> bool:
    """Warn of an image that does not boot; return whether the user has to confirm it.

    Raises:
        DeviceError: the user cannot be asked, and a device is not a loop device.
    """
    path = source.path
    if path is None or not (is_sample(path) or is_sample_card(_first_sector(source))):
        return False
    is_trial = all(device.is_loop for device in devices)
    if not is_trial and not can_ask:
        raise DeviceError(f"{source.name}: {SENTENCE}", hint=HINT)
    notify(f"{source.name}: {SENTENCE}")
    return not is_trial


def _first_sector(source: BurnImage) -> bytes:
    at, piece = next(source.iter_runs(), (0, b""))
    if isinstance(piece, Span):
        piece = os.pread(piece.fd, SECTOR, piece.offset)
    return b"" if at else bytes(piece[:SECTOR])


def _write(
    chosen: dict[Path, Device], source: BurnImage, options: BurnOptions, progress: Progress
) -> BurnReport:
    """Write the confirmed devices."""
    with (
        end_on_second_interrupt(),
        stay_awake(list(chosen.values())),
        _edited(chosen, source, options, progress) as (orders, ready),
    ):
        cards = write_cards(ready, orders, options, default_directory() / "burn", progress)
        for card in cards:
            _complete(card, options)
        is_read = any(card.error is None for card in cards)
        sha256 = source.digest() if is_read else ""
    return BurnReport(source.name, source.size, sha256, source.signer, tuple(cards))


@contextmanager
def _edited(
    chosen: dict[Path, Device], source: BurnImage, options: BurnOptions, progress: Progress
) -> Iterator[tuple[list[CardOrder], BurnImage]]:
    """Yield the cards with their own settings, and the image to read from now on."""
    paths = list(chosen)
    settings = {path: settings_for(path, paths, options.settings) for path in paths}
    if not any(settings.values()):
        yield [CardOrder(device) for device in chosen.values()], source
        return
    now = timestamp()
    with open_unpacked(source, progress) as (disk, ready):
        edits = {path: personalise(disk, own, now) for path, own in settings.items() if own}
        yield [CardOrder(device, edits.get(path)) for path, device in chosen.items()], ready


def _complete(card: CardResult, options: BurnOptions) -> None:
    """Add the next step to the result of a card that is written, and eject it."""
    if card.error is not None:
        return
    card.next_step = next_step(card.device)
    if options.eject and (remark := eject(card.device)):
        card.remarks.append(remark)


def _check_file(image: Path, target: Path, *, replaces: bool) -> None:
    """Refuse to overwrite the image itself, or another file without ``--yes``."""
    if not target.exists():
        return
    if not target.is_file():
        raise DeviceError(f"{target}: is not a regular file", hint="give it as DEVICE instead")
    if image.exists() and image.samefile(target):
        raise DeviceError(f"{target}: is the image itself", hint="choose another name for the disk")
    if not replaces:
        raise DeviceError(f"{target}: exists already", hint="--yes, to replace it")
