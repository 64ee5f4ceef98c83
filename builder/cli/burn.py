"""The command ``burn``: parses the options, asks the user, and prints the results."""

import sys
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

import click

from builder.burn.options import BurnOptions
from builder.cli.answers import write_result
from builder.cli.burn_report import report
from builder.cli.options import PATH, reporter
from builder.errors import UsageError
from builder.progress import JsonLines
from builder.sizes import parse_label_size
from builder.structs import asdict

_SMALLEST = 10**6
"""No card is smaller than a megabyte; a smaller size is a mistake of a script."""

Value = TypeVar("Value")


class _Options(TypedDict):
    """The options of ``burn``."""

    yes: bool
    confirm: tuple[str, ...]
    expect_serial: str
    expect_size: str
    allow_fixed_disk: bool
    allow_loop: bool
    unmount: bool
    settings: tuple[str, ...]
    sha256: str
    key: Path | None
    no_signature: bool
    delta: bool
    probe: bool
    verify: bool
    blank: bool
    eject: bool
    to_file: Path | None
    as_json: bool


def _not_empty(context: click.Context, parameter: click.Parameter, value: Value) -> Value:
    """Refuse an empty value: a variable of a script that was not set.

    Raises:
        UsageError: the option is given, and its value is empty.
    """
    source = context.get_parameter_source(parameter.name or "")
    values = value if isinstance(value, tuple) else (value,)
    if "" in values and source is click.core.ParameterSource.COMMANDLINE:
        raise UsageError(
            f"{parameter.opts[0]}: the value is empty; wanted {parameter.metavar}",
            hint="leave the option out when there is nothing to compare with",
        )
    return value


@click.command(
    epilog="Exit codes: 6 digest or signature not valid, 7 not a disk image, 10 the device fails, "
    "11 it does not hold what was written, 12 refused, or not confirmed. See docs/burning.md."
)
@click.argument("image", metavar="IMAGE|URL")
@click.argument("paths", nargs=-1, type=PATH, metavar="DEVICE…")
@click.option("--yes", "-y", is_flag=True, help="Do not ask; another option has to name the disk.")
@click.option(
    "--confirm", multiple=True, metavar="TOKEN", callback=_not_empty,
    help="What you would type, once for each disk: 'sdb 31.9G'.",
)  # fmt: skip
@click.option(
    "--expect-serial", default="", metavar="S", callback=_not_empty,
    help="The disk must have this serial number.",
)  # fmt: skip
@click.option(
    "--expect-size", default="", metavar="SIZE", callback=_not_empty,
    help="The disk must have this size, within 2 %: 32G.",
)  # fmt: skip
@click.option("--allow-fixed-disk", is_flag=True, help="Allow a disk that is not removable.")
@click.option("--allow-loop", is_flag=True, help="Allow a loop device, to try an image.")
@click.option("--unmount", is_flag=True, help="Unmount the filesystems of the disk.")
@click.option(
    "--set", "settings", multiple=True, metavar="[DEVICE:]KEY=VALUE",
    help="A setting of this card alone, as in an overlay: hostname=pi1.",
)  # fmt: skip
@click.option(
    "--sha256", default="", metavar="HEX", callback=_not_empty,
    help="The digest that the image file must have.",
)  # fmt: skip
@click.option("--key", type=PATH, metavar="FILE", help="The minisign key that must have signed it.")
@click.option("--no-signature", is_flag=True, help="Ignore the configured key, once.")
@click.option("--delta", is_flag=True, help="Read first, and write only what differs.")
@click.option("--probe/--no-probe", default=True, help="Check cards from 8 GB on for a false size.")
@click.option("--verify/--no-verify", default=True, help="Read everything back.")
@click.option("--blank/--no-blank", default=True, help="Zero what the image leaves empty.")
@click.option("--eject/--no-eject", default=True, help="Eject the card when finished.")
@click.option("--to-file", type=PATH, metavar="FILE", help="Write a raw disk file instead.")
@click.option("--json", "as_json", is_flag=True, help="Progress and result as JSON lines.")
def burn(image: str, paths: tuple[Path, ...], **values: Unpack[_Options]) -> int:
    """Write an image to cards or sticks, read it back, and eject them.

    The image may be raw, gz, xz, zst or a tar with a disk; it is never unpacked first. Several
    devices are written at once. `photon-builder devices` lists them.
    """
    from builder.burn import api  # it imports what builds and edits images

    options = _options(values)
    as_json, target = values["as_json"], values["to_file"]
    if target is not None:
        if paths or options.settings:
            raise UsageError("--to-file accepts an image and nothing else")
        done = api.unpack(Path(image), target, options, reporter())
        row = {
            "file": str(target),
            "size": done.size,
            "kind": done.kind,
            "signature": asdict(done.signer) if done.signer else None,
        }
        write_result("burn", row, as_json=as_json, text=f"{target}\n")
        return 0
    progress = JsonLines("photon-builder/burn/v1", sys.stdout) if as_json else reporter()
    ask = _ask if sys.stdin.isatty() else None
    done_cards = api.burn(image, paths, options, ask=ask, notify=_notify, progress=progress)
    return report(done_cards, progress)


def _ask(token: str) -> str:
    answer: str = click.prompt(f"type `{token}` to erase it", err=True, prompt_suffix=": ")
    return answer


def _notify(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _options(values: _Options) -> BurnOptions:
    """Return what the command line asks for.

    Raises:
        UsageError: the options contradict each other, or a value is not valid.
    """
    if values["key"] and values["no_signature"]:
        raise UsageError("--key and --no-signature exclude each other")
    return BurnOptions(
        serial=values["expect_serial"],
        size=_parse_size(values["expect_size"]),
        allow_fixed_disk=values["allow_fixed_disk"],
        allow_loop=values["allow_loop"],
        unmount=values["unmount"],
        yes=values["yes"],
        confirm=values["confirm"],
        settings=values["settings"],
        sha256=values["sha256"],
        key=values["key"],
        no_signature=values["no_signature"],
        delta=values["delta"],
        probe=values["probe"],
        verify=values["verify"],
        blank=values["blank"],
        eject=values["eject"],
    )


def _parse_size(text: str) -> int:
    """Return a size as it is printed on cards, zero when none is given."""
    if not text:
        return 0
    try:
        size = parse_label_size(text)
    except ValueError:
        size = 0
    if size < _SMALLEST:
        raise UsageError(
            f"--expect-size {text}: is not a valid size of a disk; wanted at least 1M, such as 32G "
            "or 29.8GiB"
        )
    return size
