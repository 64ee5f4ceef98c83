"""The command ``devices``: what could be written, and why the rest could not."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.answers import write_result
from builder.cli.options import json_option
from builder.structs import asdict

if TYPE_CHECKING:
    from builder.burn.backing import Backing
    from builder.burn.devices import Device
    from builder.burn.system import System


@click.command()
@click.option(
    "--protect", metavar="DEVICE", type=click.Path(path_type=Path),
    help="Never write this one: puts it on a list that no option lifts.",
)  # fmt: skip
@json_option
def devices(protect: Path | None, *, as_json: bool) -> None:
    """List the disks of this machine that an image could be written to.

    The others are listed below, each with the reason. Nothing is opened for writing.
    """
    from builder.burn.backing import Backing
    from builder.burn.devices import iter_devices
    from builder.burn.safety import Permits
    from builder.burn.system import System
    from builder.burn.target import all_refusals, check_platform

    check_platform()
    system = System()
    backing = Backing(system)
    if protect is not None:
        _protect(protect, system, backing)
    rows = []
    for device in iter_devices(system):
        if device.size or not device.special:
            why = [r.text for r in all_refusals(device, system, backing, Permits())]
            rows.append(_row(device, why, [use.point for use in backing.uses_of(device.name)]))
    write_result("devices", {"devices": rows}, as_json=as_json, text=_text(rows))


def _protect(path: Path, system: "System", backing: "Backing") -> None:
    """Put a device on the list."""
    from builder.burn.never import list_path, protect
    from builder.burn.target import find_target

    line = protect(find_target(system, backing, path), system)
    click.echo(f"{list_path()}: {line}", err=True)


def _row(device: "Device", why: list[str], points: list[str]) -> dict[str, Any]:
    """Return a device as plain data."""
    from builder.burn.contents import describe_contents

    found = asdict(device)
    return {
        "path": str(device.path),
        **found,
        "holds": describe_contents(device.path, device.size) if device.size else "",
        "mounted": [point or "swap" for point in points],
        "refused": why,
        "text": device.describe(),
    }


def _text(rows: list[dict[str, Any]]) -> str:
    """Return what can be written, then what cannot, as text."""
    good = [row for row in rows if not row["refused"]]
    bad = [row for row in rows if row["refused"]]
    text = "".join(f"{row['text']}  [{row['holds']}]\n" for row in good)
    text += "" if good else "no card or stick is there that could be written\n"
    if bad:
        text += "\nnot to be written:\n"
    return text + "".join(f"  {row['text']}: {row['refused'][0]}\n" for row in bad)
