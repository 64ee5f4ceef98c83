"""What a test changes in its throw-away copy of a disk, so that it can talk to the guest.

Photon's images say nothing on a serial line. One argument of the kernel brings the console and,
with it, systemd's login there; when no password of root is known, a drop-in puts a shell of
root's there instead. The artifact stays as it is: what is written is kept apart, to be put into
the overlay.
"""

from pathlib import Path

from builder.blob import Blob
from builder.carriers.edit import edit
from builder.changes import Change, SetKernelArguments, WriteFile
from builder.formats.shadow import ShadowDisk
from builder.guestpath import guest
from builder.images import open_image
from builder.plan import Step

_SPEED = 115200
_DROPIN = "/etc/systemd/system/serial-getty@{}.service.d/photon-builder-boot.conf"
_SHELL = """\
[Service]
ExecStart=
ExecStart=-/bin/sh -i
StandardInput=tty
StandardOutput=tty
StandardError=tty
WorkingDirectory=/root
"""


def prepare_visit(
    artifact: Path, *, root_shell: bool, timestamp: int, console: str = "ttyS0"
) -> dict[int, bytes]:
    """Return what to write to a copy of the artifact's disk, by offset.

    Args:
        artifact: Read, not changed.
        root_shell: Whether the console is a shell of root's, with no login.
        timestamp: Time of what is written, seconds since the epoch.
        console: Name of the serial line in the guest.
    """
    changes: list[Change] = [SetKernelArguments(add=(f"console={console},{_SPEED}",))]
    if root_shell:
        changes.append(WriteFile(guest(_DROPIN.format(console)), Blob.text(_SHELL)))
    with open_image(artifact) as image:
        disk = image.disk = ShadowDisk(image.disk)
        root = image.root()
        edit(root, [Step(change, "boot test") for change in changes], timestamp)
        root.flush()
        return disk.changes()
