"""The disk that a test starts: unpacked if needed, with a serial console, or empty.

Photon's images write nothing on a serial line. A kernel argument enables the console and, with it,
systemd's login there; when no password of root is known, a drop-in starts a root shell there
instead. The artifact is not changed: the blocks go into the temporary overlay.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.blob import Blob
from builder.boot.machine import VirtualMachine, read_machine
from builder.boot.qemu import EMPTY_DISK_SIZE
from builder.carriers.edit import edit
from builder.changes import Change, SetKernelArguments, WriteFile
from builder.errors import FormatError, UsageError, VerifyError
from builder.formats.disk_file import is_packed_disk, unpack_disk
from builder.formats.shadow import ShadowDisk
from builder.guestpath import guest
from builder.host import refusal
from builder.images import open_image, read_head
from builder.plan import Step
from builder.structs import replace

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


@contextmanager
def open_disk(artifact: Path) -> Iterator[Path]:
    """Yield the artifact, or a temporary sparse file with the disk that is compressed in it.

    Raises:
        FormatError: the artifact is damaged.
        HostError: it cannot be read, or there is no room to unpack it.
    """
    if not is_packed_disk(read_head(artifact)):
        yield artifact
        return
    with tempfile.TemporaryDirectory(prefix="photon-boot-") as scratch:
        path = Path(scratch, "disk.raw")
        with path.open("w+b") as stream:
            disk, _ = unpack_disk(artifact, stream.fileno())
            stream.truncate(disk.size)
        yield path


def console_blocks(
    artifact: Path, *, root_shell: bool, timestamp: int, console: str = "ttyS0"
) -> dict[int, bytes]:
    """Return the blocks, by offset, that enable the serial console of a disk.

    Args:
        artifact: The disk; it is only read.
        root_shell: Whether the console is a root shell without a login.
        timestamp: Time of the edit, seconds since the epoch.
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


def make_empty_disk(path: Path) -> None:
    """Create the empty disk for an installation medium.

    Raises:
        UsageError: the file exists.
        HostError: it cannot be created.
    """
    try:
        with path.open("xb") as stream:
            stream.truncate(EMPTY_DISK_SIZE)
    except FileExistsError as error:
        raise UsageError(f"{path}: exists already", hint="name a new file") from error
    except OSError as error:
        raise refusal(error, path) from error


def installed_machine(machine: VirtualMachine, disk: Path) -> VirtualMachine:
    """Return the machine with the installed disk, started by the same firmware.

    Raises:
        VerifyError: the disk is not bootable.
    """
    try:
        found = read_machine(disk)
    except FormatError as error:
        raise VerifyError(f"the installed disk: {error}") from error
    return replace(machine, medium="", source=found.source, source_format=found.source_format)
