"""An installation medium started with an empty disk, on which it installs unattended.

The installer ends by restarting the machine, which is switched off instead; then the disk is an
artifact like others. An installer that fails stays where it is, and so does the machine: the last
lines of its console say why, when it has one on the serial line.
"""

import time
from collections.abc import Callable
from pathlib import Path

from builder.boot.checks import INSTALLATION, Result
from builder.boot.machine import Machine, Setting, read_machine
from builder.boot.qemu import EMPTY_DISK_SIZE
from builder.boot.session import Session, start_machine
from builder.errors import FormatError, UsageError, VerifyError
from builder.host import refusal
from builder.structs import replace

_NAME = "the medium installs, and restarts the machine"


def install(
    machine: Machine, setting: Setting, *, seconds: float, at_end: Callable[[Session], None]
) -> tuple[Result, str]:
    """Install to the disk of a setting and return what came of it, and the console's text.

    Args:
        machine: With the medium.
        setting: Its disk is made here.
        seconds: How long it may take.
        at_end: Called while the machine is still there, when it should not be.
    """
    begun = time.monotonic()
    setting = replace(setting, ends_at_restart=True, forwards=())
    with start_machine(machine, setting, {}) as session:
        try:
            session.console.expect_end(seconds=seconds, what="the end of the installation")
        except VerifyError as error:
            at_end(session)
            found = "\n".join([str(error), *getattr(error, "__notes__", ())])
            passed = False
        else:
            found, passed = "an end", True
        spent = time.monotonic() - begun
        return Result(INSTALLATION, _NAME, passed, "an end", found, spent), session.console.text


def make_empty_disk(path: Path) -> None:
    """Make the disk that a medium finds.

    Raises:
        UsageError: something is there; a disk may be precious.
        HostError: it cannot be made.
    """
    try:
        with path.open("xb") as stream:
            stream.truncate(EMPTY_DISK_SIZE)
    except FileExistsError as error:
        raise UsageError(f"{path}: is there already", hint="name a new file") from error
    except OSError as error:
        raise refusal(error, path) from error


def installed_machine(machine: Machine, disk: Path) -> Machine:
    """Return the machine with what was installed, started as the installer was.

    Raises:
        VerifyError: nothing that could start is on the disk.
    """
    try:
        found = read_machine(disk)
    except FormatError as error:
        raise VerifyError(f"the installed disk: {error}") from error
    return replace(machine, medium="", source=found.source, source_format=found.source_format)
