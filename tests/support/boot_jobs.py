"""What systemd itself would start at boot, from the units of a root: its own test mode says it."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from tests.support.judges import judge

_SYSTEMD = "/usr/lib/systemd/systemd"
_UNITS = ("etc/systemd/system", "usr/lib/systemd/system")
_NOBODY = "65534"
_TARGETS = {
    "multi-user.target": "Requires=basic.target\nAfter=basic.target\n",
    "basic.target": "Requires=sysinit.target\nWants=sockets.target\nAfter=sockets.target\n",
    "sysinit.target": "",
    "sockets.target": "",
}
_JOB = re.compile(r"\bAction: (\S+) -> start$", re.MULTILINE)


def boot_jobs(root: Path, target: str = "multi-user.target") -> set[str]:
    """Return the units in the first transaction of a boot into ``target``.

    Args:
        root: Folder with the units of a machine; the targets of a boot are put over its own.
        target: What is booted into.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for number, folder in enumerate(_UNITS):
            shutil.copytree(root / folder, Path(scratch, str(number)), symlinks=True)
        for name, more in _TARGETS.items():
            Path(scratch, "1", name).write_text(f"[Unit]\nDescription={name}\n{more}")
        command = [_SYSTEMD, "--test", "--system", f"--unit={target}"]
        if os.geteuid() == 0:  # systemd refuses its test mode to root
            judge("chown", "-R", _NOBODY, scratch)
            other = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
            command = ["setpriv", *other, *command]
        environment = {
            "SYSTEMD_UNIT_PATH": f"{scratch}/0:{scratch}/1",
            "SYSTEMD_LOG_TARGET": "console",
            "XDG_RUNTIME_DIR": scratch,
        }
        told = judge(*command, env=environment)
    jobs = set(_JOB.findall(told.stdout + told.stderr))
    assert target in jobs, told.stdout + told.stderr
    return jobs
