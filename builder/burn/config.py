"""Where a user keeps what every burn heeds: disks that are never written, the key of images.

The folder is ``photon-builder`` in ``$XDG_CONFIG_HOME``, else in ``~/.config`` (XDG Base Directory
Specification 0.8). Under sudo(8) that of the user who called it counts as well as root's.
"""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path


def config_path(name: str) -> Path:
    """Return where a file of the folder is, whether or not there is one."""
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "photon-builder" / name


def iter_config_paths(name: str) -> Iterator[Path]:
    """Yield the places of a file that count: under sudo(8) that of whoever called it, too."""
    yield config_path(name)
    try:
        home = pwd.getpwnam(os.environ.get("SUDO_USER", "")).pw_dir
    except KeyError:
        return
    theirs = Path(home, ".config/photon-builder", name)
    if theirs != config_path(name):
        yield theirs
