"""The list of disks that are never to be written: one a line, as the user protected them.

The file is ``never-burn`` in the folder of :mod:`builder.burn.config`. A line is a serial number, a
world-wide name, or a pattern (fnmatch(3)) for a name in ``/dev/disk/by-id``; what follows a ``#``
is a comment, ``[#]`` is that character itself. Under sudo(8) the list of the user who called it
counts as well as root's.
"""

import re
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
_COMMENT = re.compile(r"(?:^|\s)#.*")


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
    line = f"{_escape(name)}  # {device.model} {format_size(device.size)}"
    path = list_path()
    if next(never_refusals(device, system), None) is None:
        with host_errors(path, hint="check the permissions of that folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            _append(path, line)
        if next(never_refusals(device, system), None) is None:
            raise DeviceError(
                f"{device.path}: the line {line!r} of {path} does not protect it",
                hint="write a pattern for its name in /dev/disk/by-id into that file",
            )
    return line


def _append(path: Path, line: str) -> None:
    """Add a line to the list, also to one whose last line has no end."""
    with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        stream.seek(0)
        content = stream.read()
        broken = "\n" if content and not content.endswith("\n") else ""
        stream.write(f"{broken}{line}\n")


def _escape(name: str) -> str:
    """Return the pattern that matches a name and nothing else, without a ``#`` of its own."""
    return "".join(f"[{each}]" if each in "[*?#" else each for each in name)


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
        # What begins a comment is not certain within a word: both readings protect.
        readings = (_COMMENT.sub("", line), line.partition("#")[0])
        for text in dict.fromkeys(reading.strip() for reading in readings):
            if entry := text.removeprefix("/dev/disk/by-id/"):
                yield number, entry


def _ids(device: Device, system: System) -> list[str]:
    """Return the names that udev gave to a device."""
    folder = system.dev / "disk/by-id"
    if not folder.is_dir():
        return []
    return sorted(link.name for link in folder.iterdir() if link.resolve().name == device.name)
