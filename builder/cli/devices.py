"""The command ``devices``: the disks that can be written, and why others are refused."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.answers import write_result
from builder.cli.options import json_option
from builder.structs import asdict

if TYPE_CHECKING:
    from builder.burn.devices import Device, SystemRoot
    from builder.burn.usage import DeviceUsage


@click.command()
@click.option(
    "--protect", metavar="DEVICE", type=click.Path(path_type=Path),
    help="Add this disk to the list of protected disks, which no option overrides.",
)  # fmt: skip
@json_option
def devices(protect: Path | None, *, as_json: bool) -> None:
    """List the host's disks that an image can be written to.

    The others are listed below, each with the reason. Nothing is opened for writing.
    """
    from builder.burn.devices import SystemRoot, iter_devices
    from builder.burn.options import BurnOptions
    from builder.burn.safety import all_refusals, check_platform
    from builder.burn.usage import DeviceUsage

    check_platform()
    system = SystemRoot()
    usage = DeviceUsage(system)
    if protect is not None:
        _protect(protect, system, usage)
    rows = []
    for device in iter_devices(system):
        if device.size or not device.special:
            why = [r.text for r in all_refusals(device, system, usage, BurnOptions())]
            rows.append(_row(device, why, [use.point for use in usage.uses_of(device.name)]))
    write_result("devices", {"devices": rows}, as_json=as_json, text=_text(rows))


def _protect(path: Path, system: "SystemRoot", usage: "DeviceUsage") -> None:
    from builder.burn.config import list_path, protect
    from builder.burn.safety import find_device

    line = protect(find_device(system, usage, path), system)
    click.echo(f"{list_path()}: {line}", err=True)


def _row(device: "Device", why: list[str], points: list[str]) -> dict[str, Any]:
    """Return a device as plain data."""
    from builder.burn.confirm import describe_contents

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
    """Return the disks that can be written, then the others, as text."""
    good = [row for row in rows if not row["refused"]]
    bad = [row for row in rows if row["refused"]]
    text = "".join(f"{row['text']}  [{row['holds']}]\n" for row in good)
    text += "" if good else "no card or stick that can be written\n"
    if bad:
        text += "\nrefused:\n"
    return text + "".join(f"  {row['text']}: {row['refused'][0]}\n" for row in bad)
