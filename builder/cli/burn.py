"""The command ``burn``: an image onto cards, the right ones, and proved."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from builder.cli.burn_options import Options, own_settings, permits, said_of, something
from builder.cli.burned import report
from builder.cli.options import PATH, reporter
from builder.errors import UsageError
from builder.progress import JsonLines, Progress

if TYPE_CHECKING:
    from builder.burn.backing import Backing
    from builder.burn.devices import Device
    from builder.burn.order import Order, Verdict
    from builder.burn.safety import Permits
    from builder.burn.source import Image
    from builder.burn.system import System
    from builder.cli.burn_image import Given


@click.command(
    epilog="Exit codes: 6 another digest or no signature that fits, 7 no image of a disk, 10 the "
    "device fails, 11 it does not hold what was written, 12 it must not be written, or not without "
    "more being said. See docs/burning.md."
)
@click.argument("image", metavar="IMAGE|URL")
@click.argument("paths", nargs=-1, type=PATH, metavar="DEVICE…")
@click.option("--yes", "-y", is_flag=True, help="Do not ask; something else has to name the disk.")
@click.option(
    "--confirm", multiple=True, metavar="TOKEN", callback=something,
    help="What would be typed, once for each disk: 'sdb 31.9G'.",
)  # fmt: skip
@click.option(
    "--expect-serial", default="", metavar="S", callback=something,
    help="The disk must have this serial.",
)  # fmt: skip
@click.option(
    "--expect-size", default="", metavar="SIZE", callback=something,
    help="And this size, within 2 %: 32G.",
)  # fmt: skip
@click.option("--allow-fixed-disk", is_flag=True, help="Allow a disk that cannot be taken out.")
@click.option("--allow-loop", is_flag=True, help="Allow a loop device, to try an image.")
@click.option("--unmount", is_flag=True, help="Unmount what is mounted from it.")
@click.option(
    "--set", "settings", multiple=True, metavar="[DEVICE:]KEY=VALUE",
    help="A setting of this card alone, as in an overlay: hostname=pi1.",
)  # fmt: skip
@click.option(
    "--sha256", default="", metavar="HEX", callback=something,
    help="What the image file's digest must be.",
)  # fmt: skip
@click.option("--key", type=PATH, metavar="FILE", help="A minisign key that must have signed it.")
@click.option("--no-signature", is_flag=True, help="Pass over the key that is configured, once.")
@click.option("--delta", is_flag=True, help="Read first, and write only what differs.")
@click.option("--probe/--no-probe", default=True, help="Try cards from 8 GB on for a false size.")
@click.option("--verify/--no-verify", default=True, help="Read everything back.")
@click.option("--blank/--no-blank", default=True, help="Empty what the image leaves empty.")
@click.option("--eject/--no-eject", default=True, help="Let the card go when it is done.")
@click.option("--to-file", type=PATH, metavar="FILE", help="Write a raw disk file instead.")
@click.option("--json", "as_json", is_flag=True, help="Progress and result as JSON lines.")
def burn(image: str, paths: tuple[Path, ...], **options: Unpack[Options]) -> int:
    """Write an image to cards or sticks, read it back, and let them go.

    The image may be raw, gz, xz, zst or a tar with a disk; it is never unpacked first. Several
    devices are written at once. `photon-builder devices` lists them.
    """
    progress = _progress(as_json=options["as_json"])
    given = _given(image, options)
    if options["to_file"] is not None:
        return _to_file(given, paths, options["to_file"], options)
    if not paths:
        raise UsageError("no device given", hint="photon-builder devices lists them")
    from builder.burn.awake import stays_awake
    from builder.burn.backing import Backing
    from builder.burn.interrupt import second_ends
    from builder.burn.system import System
    from builder.burn.target import check_platform, find_target
    from builder.cli.burn_image import opened

    check_platform()
    system = System()
    backing = Backing(system)
    chosen = {path: find_target(system, backing, path) for path in paths}
    if len({device.number for device in chosen.values()}) != len(paths):
        raise UsageError("the same device is given twice")
    for device in chosen.values():
        _check_target(device, image, system, backing, permits(options))
    with opened(given, progress) as source:
        _confirm(chosen, source, options)
        if options["unmount"]:
            _unmount(chosen, backing)
        with (
            second_ends(),
            stays_awake(list(chosen.values())),
            _orders(chosen, source, options, progress) as (orders, ready),
        ):
            verdicts = _run(ready, orders, options, progress)
        return report(verdicts, source, progress)


def _progress(*, as_json: bool) -> Progress:
    """Return where progress is shown: as JSON lines, or for people."""
    return JsonLines("photon-builder/burn/v1", sys.stdout) if as_json else reporter()


def _given(image: str, options: Options) -> "Given":
    """Return what the command line says of the image."""
    from builder.cli.burn_image import Given

    if options["key"] and options["no_signature"]:
        raise UsageError("--key and --no-signature: wanted one of them")
    return Given(
        image=image,
        sha256=options["sha256"],
        key=options["key"],
        passes_over=options["no_signature"],
    )


def _check_target(
    device: "Device", image: str, system: "System", backing: "Backing", permits: "Permits"
) -> None:
    """Refuse a device that must not be written."""
    from builder.burn.card import no_permission
    from builder.burn.remote import is_address
    from builder.burn.safety import check, source_refusals
    from builder.burn.target import all_refusals
    from builder.cache import default_directory

    ours = {"the cache": default_directory(), "the working folder": Path.cwd()}
    if not is_address(image):
        ours["the image"] = Path(image)
    check(all_refusals(device, system, backing, permits), device)
    if not os.access(device.path, os.R_OK | os.W_OK):
        raise no_permission(device)
    check(source_refusals(device, backing, ours), device)


def _confirm(chosen: dict[Path, "Device"], source: "Image", options: Options) -> None:
    """Let a person say of every device that it is meant."""
    from builder.burn.confirm import check_answer, needs_answer, token
    from builder.burn.contents import describe_contents
    from builder.burn.session import check_size

    warns = _warn_of_sample(source, list(chosen.values()))
    for path, device in chosen.items():
        check_size(source, device)
        holds = describe_contents(device.path, device.size)
        sys.stderr.write(f"will be erased: {device.describe()}  [{holds}]\n")
        said = said_of(path, options)
        if warns or needs_answer(device, source.size, said, on_terminal=sys.stdin.isatty()):
            wanted = token(device)
            answer = click.prompt(f"type `{wanted}` to erase it", err=True, prompt_suffix=": ")
            check_answer(device, answer)


def _warn_of_sample(source: "Image", devices: list["Device"]) -> bool:
    """Say of an image that it does not boot, and return whether a person has to be asked for that.

    Raises:
        DeviceError: nobody is there to be asked, and a device is more than a loop device.
    """
    from builder.errors import DeviceError
    from builder.samples import HINT, SENTENCE, is_sample, is_sample_card

    path = source.path
    if path is None or not (is_sample(path) or is_sample_card(_first_sector(source))):
        return False
    if all(device.is_loop for device in devices):
        sys.stderr.write(f"{source.name}: {SENTENCE}\n")
        return False
    if not sys.stdin.isatty():
        raise DeviceError(f"{source.name}: {SENTENCE}", hint=HINT)
    sys.stderr.write(f"{source.name}: {SENTENCE}\n")
    return True


def _first_sector(source: "Image") -> bytes:
    """Return how a disk begins."""
    from builder.formats.disk import SECTOR
    from builder.formats.stream import Span

    runs = source.iter_runs()
    at, piece = next(runs, (0, b""))
    if isinstance(piece, Span):
        piece = os.pread(piece.fd, SECTOR, piece.offset)
    return b"" if at else bytes(piece[:SECTOR])


def _unmount(chosen: dict[Path, "Device"], backing: "Backing") -> None:
    """Take the filesystems off the devices."""
    from builder.burn.eject import unmount
    from builder.burn.safety import mounts_of

    for device in chosen.values():
        unmount(device, mounts_of(device, backing))


@contextmanager
def _orders(
    chosen: dict[Path, "Device"], source: "Image", options: Options, progress: Progress
) -> Iterator[tuple[list["Order"], "Image"]]:
    """Work out what each card has of its own."""
    from builder.burn.order import Order

    settings = {path: own_settings(options["settings"], path, list(chosen)) for path in chosen}
    if not any(settings.values()):
        yield [Order(device) for device in chosen.values()], source
        return
    from builder.burn.personalise import personalise
    from builder.burn.unpacked import open_unpacked
    from builder.reproducible import timestamp

    now = timestamp()
    with open_unpacked(source, progress) as (disk, ready):
        yield (
            [
                Order(device, personalise(disk, settings[path], now) if settings[path] else None)
                for path, device in chosen.items()
            ],
            ready,
        )


def _run(
    source: "Image", orders: list["Order"], options: Options, progress: Progress
) -> list["Verdict"]:
    """Write the cards, and let those go that are done."""
    from builder.burn.eject import eject
    from builder.burn.next_step import next_step
    from builder.burn.order import Choices
    from builder.burn.session import burn as burn_cards
    from builder.cache import default_directory

    choices = Choices(
        probes=options["probe"],
        verifies=options["verify"],
        compares=options["delta"],
        blanks=options["blank"],
        notes=default_directory() / "burn",
    )
    verdicts = burn_cards(source, orders, choices, progress)
    for verdict in verdicts:
        if verdict.error is None:
            verdict.then = next_step(verdict.device)
            if options["eject"] and (said := eject(verdict.device)):
                verdict.remarks.append(said)
    return verdicts


def _to_file(given: "Given", paths: tuple[Path, ...], target: Path, options: Options) -> int:
    """Write a raw disk file."""
    from builder.cli.burn_image import unpack

    if paths or options["settings"]:
        raise UsageError("--to-file takes an image and nothing else")
    return unpack(given, target, replaces=options["yes"], as_json=options["as_json"])
