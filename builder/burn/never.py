"""The list of disks that are never to be written: one a line, as the user protected them.

The file is ``never-burn`` in the folder of :mod:`builder.burn.config`. A line is a serial number, a
world-wide name, or a pattern (fnmatch(3)) for a name in ``/dev/disk/by-id``; what follows a ``#``
is a comment. Under sudo(8) the list of the user who called it counts as well as root's.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from builder.burn.config import config_path, iter_config_paths
from builder.burn.devices import Device, format_size
from builder.burn.safety import Refusal
from builder.burn.system import System
from builder.errors import DeviceError
from builder.host import host_errors

_NAME = "never-burn"


def list_path() -> Path:
    """Return where the list is, whether or not there is one."""
    return config_path(_NAME)


def protect(device: Device, system: System) -> str:
    """Put a device on the list, unless it is there, and return the line.

    Raises:
        DeviceError: nothing tells it from others.
        HostError: the list cannot be written.
    """
    name = device.serial or device.wwn or next(iter(_ids(device, system)), "")
    if not name:
        raise DeviceError(
            f"{device.path}: has neither a serial number nor a name in /dev/disk/by-id",
            hint="nothing would tell it from others the next time",
        )
    line = f"{name}  # {device.model} {format_size(device.size)}"
    path = list_path()
    if next(never_refusals(device, system), None) is None:
        with host_errors(path, hint="check the permissions of that folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")
    return line


def never_refusals(device: Device, system: System) -> Iterator[Refusal]:
    """Yield the lines of the list that a device is on."""
    names = {device.serial, device.wwn, *_ids(device, system)} - {""}
    for path in iter_config_paths(_NAME):
        for number, entry in _iter_entries(path):
            if any(fnmatchcase(name, entry) for name in names):
                text = f"you protected it: {path}, line {number}: {entry}"
                yield Refusal(text, "take that line out if it may be erased after all")


def _iter_entries(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the content of each line that says something."""
    if not path.exists():
        return
    with host_errors(path, hint="check the permissions of that file"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if entry := line.partition("#")[0].strip().removeprefix("/dev/disk/by-id/"):
            yield number, entry


def _ids(device: Device, system: System) -> list[str]:
    """Return the names that udev gave to a device."""
    folder = system.dev / "disk/by-id"
    if not folder.is_dir():
        return []
    return sorted(link.name for link in folder.iterdir() if link.resolve().name == device.name)
