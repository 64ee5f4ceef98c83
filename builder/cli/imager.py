"""The command ``os-list``: what Raspberry Pi Imager is given to offer our images."""

from pathlib import Path

import click

from builder.cli.answers import write_raw
from builder.cli.options import PATH, default_output
from builder.errors import UsageError
from builder.imager import list_images


@click.command("os-list")
@click.argument("folder", type=PATH, required=False)
@click.option("--url", help="Where the folder can be had [its path on this machine, file:///…].")
def os_list(folder: Path | None, url: str | None) -> None:
    """Print the list of the Raspberry Pi images in a folder, for Raspberry Pi Imager.

    Save it as os_list.json beside them, and start `rpi-imager --repo URL/os_list.json`. FOLDER is
    `output` when it is not given. A nightly build has its list already.
    """
    place = folder or default_output()
    found = list_images(place, url or place.resolve().as_uri())
    if not found["os_list"]:
        raise UsageError(
            f"{place} has no image for a Raspberry Pi that was built here",
            hint="build one (target rpi3), not in a tar, and keep its .provenance.json beside it",
        )
    write_raw(found)
