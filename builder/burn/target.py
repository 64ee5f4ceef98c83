"""From what the user typed to one whole device: links are followed once, numbers count then.

Source: stat(2), ``st_rdev``; the kernel's ``Documentation/ABI/stable/sysfs-block``.
"""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from builder.burn.backing import Backing
from builder.burn.devices import Device, read_device
from builder.burn.never import never_refusals
from builder.burn.pools import pool_refusals
from builder.burn.safety import Permits, Refusal, refusals
from builder.burn.system import System, read_attribute
from builder.errors import DeviceError

_LIST = "photon-builder devices lists what can be written"


def find_target(system: System, backing: Backing, path: Path) -> Device:
    """Return the whole device that a path leads to.

    Raises:
        DeviceError: it leads to something else, or nowhere.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}; wanted a disk", hint=_LIST) from error
    if not stat.S_ISBLK(status.st_mode):
        raise DeviceError(f"{path}: {_kind(status.st_mode)}; wanted a disk", hint=_hint(status))
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    name = backing.name_of(number)
    if not name:
        raise DeviceError(f"{path}: the kernel knows no disk {number}", hint=_LIST)
    folder = (system.blocks / name).resolve()
    if (folder / "partition").exists():
        disk = folder.parent.name
        raise DeviceError(
            f"{path}: is partition {read_attribute(folder / 'partition')} of /dev/{disk}; "
            "wanted a whole disk",
            hint=f"an image has partitions of its own: give /dev/{disk}",
        )
    return read_device(system, name)


def all_refusals(
    device: Device, system: System, backing: Backing, permits: Permits
) -> Iterator[Refusal]:
    """Yield everything against writing a device: the rules, then the user's own list."""
    yield from refusals(device, backing, permits)
    yield from pool_refusals(device, system)
    yield from never_refusals(device, system)


def check_platform() -> None:
    """Refuse where the rules cannot be kept.

    Raises:
        DeviceError: this is no Linux with its own disks; says what to use.
    """
    if sys.platform == "darwin":
        raise DeviceError(
            "macOS: its disks cannot be told apart here as surely as on Linux, so none is written",
            hint="Raspberry Pi Imager and balenaEtcher write the same image",
        )
    if sys.platform != "linux":
        raise DeviceError(
            f"{sys.platform}: cards are written on Linux only",
            hint="Raspberry Pi Imager and balenaEtcher write the same image",
        )
    if "microsoft" in os.uname().release.lower():
        raise DeviceError(
            "WSL: this Linux sees virtual disks, not the card readers of the Windows below it",
            hint="write the image in Windows: Raspberry Pi Imager, balenaEtcher or Rufus",
        )


def _kind(mode: int) -> str:
    """Say what a path is."""
    if stat.S_ISREG(mode):
        return "is a regular file"
    return "is a folder" if stat.S_ISDIR(mode) else "is no block device"


def _hint(status: os.stat_result) -> str:
    """Say what to do instead."""
    return "--to-file writes a file" if stat.S_ISREG(status.st_mode) else _LIST
