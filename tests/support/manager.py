"""A real systemd with units of ours, in namespaces of its own: what starts after what.

It is the manager of a user, root's, since that of the system runs as process 1 only; units, jobs
and drop-ins are the same to both. Programs that units start can be replaced; ``/opt``, ``/var/lib``
and ``/mnt`` are empty and writable, and all of it ends with the script.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.judges import CI, judge, require

_INSIDE: Final = """\
set -eu
mount --make-rprivate /
mount -t proc proc /proc
for folder in /run /opt /var/lib /mnt; do mount -t tmpfs tmpfs "$folder"; done
cp /usr/bin/systemctl /usr/bin/sleep /run/
mount -t overlay -o "lowerdir=$PROGRAMS:/usr/bin" overlay /usr/bin
mkdir -p /run/user /run/systemd/system
export XDG_RUNTIME_DIR=/run/user SYSTEMD_UNIT_PATH="$UNITS:/usr/lib/systemd/user"
/lib/systemd/systemd --user --log-target=console >/run/log 2>&1 &
for wait in $(seq 100); do
  /run/systemctl --user is-system-running 2>/dev/null | grep -q -e running -e degraded && break
  /run/sleep .1
done
. "$SCRIPT"
"""

_SYSTEMCTL: Final = '#!/bin/sh\nexec /run/systemctl --user "$@"\n'
_SECONDS: Final = 60


def run_manager(
    scratch: Path, units: Mapping[str, str], programs: Mapping[str, str], script: str
) -> str:
    """Run a script beside a manager that has units; return what it printed.

    Args:
        scratch: An empty folder.
        units: Unit files and drop-ins, by their paths below the folder of units.
        programs: Scripts by their names in ``/usr/bin``.
        script: For sh; ``systemctl`` talks to the manager.
    """
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("namespaces are made by root only: run it with sudo")
    require("systemctl")
    programs = {**programs, "systemctl": _SYSTEMCTL}
    for folder, files in (("units", units), ("programs", programs), (".", {"script": script})):
        (scratch / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            place = scratch / folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755 if folder == "programs" else 0o644)
    paths = {"UNITS": "units", "PROGRAMS": "programs", "SCRIPT": "script"}
    done = judge(
        *(
            "timeout",
            str(_SECONDS),
            "unshare",
            "-m",
            "-p",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            _INSIDE,
        ),
        env={name: str(scratch / path) for name, path in paths.items()},
        check=False,
    )
    return done.stdout + done.stderr
