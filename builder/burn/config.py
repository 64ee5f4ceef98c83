"""The user's configuration for every burn: protected disks, and the key that signs images.

The folder is ``photon-builder`` in ``$XDG_CONFIG_HOME``, else in ``~/.config`` (XDG Base Directory
Specification 0.8). Under sudo(8) the folder of the calling user counts as well as root's.

``never-burn`` lists protected disks, one a line: a serial number, a world-wide name, or a pattern
(fnmatch(3)) for a name in ``/dev/disk/by-id``. A ``#`` begins a comment; ``[#]`` is that character
itself. ``burn.pub`` is a public key of minisign. A key that exists and cannot be read is an error:
an image would pass unchecked.
"""

import os
import pwd
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from builder.burn.devices import Device, SystemRoot
from builder.burn.signature import LARGEST, MinisignKey, parse_key
from builder.errors import DeviceError
from builder.host import host_errors
from builder.sizes import format_label_size
from builder.structs import Struct

_PROTECTED = "never-burn"
_KEY = "burn.pub"
_COMMENT = re.compile(r"(?:^|\s)#.*")


class Protection(Struct, frozen=True):
    """A line of the list of protected disks that matches a device."""

    path: Path
    line: int
    pattern: str


def config_path(name: str) -> Path:
    """Return the path of a configuration file, whether or not it exists."""
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "photon-builder" / name


def iter_config_paths(name: str) -> Iterator[Path]:
    """Yield the paths of a configuration file; under sudo(8) also the calling user's."""
    yield config_path(name)
    try:
        home = pwd.getpwnam(os.environ.get("SUDO_USER", "")).pw_dir
    except KeyError:
        return
    theirs = Path(home, ".config/photon-builder", name)
    if theirs != config_path(name):
        yield theirs


def list_path() -> Path:
    """Return the path of the list of protected disks, whether or not it exists."""
    return config_path(_PROTECTED)


def protect(device: Device, system: SystemRoot) -> str:
    """Add a device to the list of protected disks, unless it matches already; return the line.

    Raises:
        DeviceError: the device has no name that identifies it.
        HostError: the list cannot be written.
    """
    name = device.serial or device.wwn or next(iter(_ids(device, system)), "")
    if not name:
        raise DeviceError(
            f"{device.path}: has neither a serial number nor a name in /dev/disk/by-id",
            hint="it could not be identified the next time",
        )
    line = f"{_escape(name)}  # {device.model} {format_label_size(device.size)}"
    path = list_path()
    if next(iter_protections(device, system), None) is None:
        with host_errors(path, hint="check the permissions of that folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            _append(path, line)
        if next(iter_protections(device, system), None) is None:
            raise DeviceError(
                f"{device.path}: the line {line!r} of {path} does not protect it",
                hint="write a pattern for its name in /dev/disk/by-id into that file",
            )
    return line


def _append(path: Path, line: str) -> None:
    """Append a line, also to a file whose last line has no newline."""
    with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        stream.seek(0)
        content = stream.read()
        broken = "\n" if content and not content.endswith("\n") else ""
        stream.write(f"{broken}{line}\n")


def _escape(name: str) -> str:
    """Return the pattern that matches exactly one name, and has no ``#`` that is a comment."""
    return "".join(f"[{each}]" if each in "[*?#" else each for each in name)


def iter_protections(device: Device, system: SystemRoot) -> Iterator[Protection]:
    """Yield the lines of the list of protected disks that match a device."""
    names = {device.serial, device.wwn, *_ids(device, system)} - {""}
    for path in iter_config_paths(_PROTECTED):
        for number, pattern in _iter_patterns(path):
            if any(fnmatchcase(name, pattern) for name in names):
                yield Protection(path, number, pattern)


def _iter_patterns(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and pattern of each line that has one."""
    if not path.exists():
        return
    with host_errors(path, hint="check the permissions of that file"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        # Within a word a # is ambiguous: both readings protect.
        readings = (_COMMENT.sub("", line), line.partition("#")[0])
        for text in dict.fromkeys(reading.strip() for reading in readings):
            if pattern := text.removeprefix("/dev/disk/by-id/"):
                yield number, pattern


def _ids(device: Device, system: SystemRoot) -> list[str]:
    """Return the names of a device in ``/dev/disk/by-id``."""
    folder = system.dev / "disk/by-id"
    if not folder.is_dir():
        return []
    return sorted(link.name for link in folder.iterdir() if link.resolve().name == device.name)


def read_keys(named: Path | None) -> list[MinisignKey]:
    """Return the keys of which one must have signed an image; empty: no signature is needed.

    Args:
        named: File of the only accepted key; ``None`` for the configured keys.

    Raises:
        FormatError: a file is not a public key.
        HostError: a file cannot be read.
    """
    return [_read(path) for path in ([named] if named else iter_configured())]


def iter_configured() -> Iterator[Path]:
    """Yield the files of the configured keys."""
    for path in iter_config_paths(_KEY):
        if _exists(path):
            yield path


def _exists(path: Path) -> bool:
    """Return whether there is a key, or a link that should lead to one."""
    with host_errors(path, hint="check the permissions of that folder"):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def _read(path: Path) -> MinisignKey:
    hint = "wanted the file of a public key, as minisign -G makes it"
    with host_errors(path, hint=hint), path.open("rb") as stream:
        content = stream.read(LARGEST)
    return parse_key(content, str(path))
