"""The command ``os-list``: a repository file for Raspberry Pi Imager."""

from pathlib import Path

import click

from builder.cli.answers import write_raw
from builder.cli.options import PATH, default_output
from builder.errors import UsageError
from builder.imager import list_images


@click.command("os-list")
@click.argument("folder", type=PATH, required=False)
@click.option("--url", help="Public URL of the folder [default: file:///… of its local path].")
def os_list(folder: Path | None, url: str | None) -> None:
    """Print the os_list.json of the images in a folder, for Raspberry Pi Imager.

    Save it as os_list.json beside them, and start `rpi-imager --repo URL/os_list.json`. FOLDER
    defaults to `output`. `nightly` writes this file itself.
    """
    place = folder or default_output()
    found = list_images(place, url or place.resolve().as_uri())
    if not found["os_list"]:
        raise UsageError(
            f"{place} contains no Raspberry Pi image with a provenance file",
            hint="build target rpi3 without an archive; keep .provenance.json beside the image",
        )
    write_raw(found)
