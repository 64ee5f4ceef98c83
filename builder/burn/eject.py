"""Before and after a card: filesystems taken off it, the card let go.

Sources: umount(8), udisksctl(1), eject(1). Never lazy: a filesystem that is in use stays mounted.
"""

import errno
import os
import time
from contextlib import suppress

from builder.burn.backing import Use
from builder.burn.devices import Device
from builder.burn.open_files import users_of
from builder.burn.system import System
from builder.errors import DeviceError, ToolError
from builder.formats.foreign import find_tool, run_tool

_SECONDS = 60.0
_LETTING_GO_SECONDS = 5.0
_BY_UDISKS = ("/media/", "/run/media/")
"""Where udisks mounts things: it also removes the folders that it made for that."""


def unmount(device: Device, uses: list[Use]) -> None:
    """Take every filesystem off a device, the last mounted first.

    Raises:
        DeviceError: one is in use; names who uses it.
    """
    for use in reversed(uses):
        try:
            _unmount(use)
        except ToolError as error:
            users = users_of(System(), use.point)
            who = f", used by {users}" if users else ""
            failure = DeviceError(
                f"{device.path}: {use.point} cannot be unmounted{who}",
                hint="close what uses it, and try again",
            )
            for note in getattr(error, "__notes__", ()):
                failure.add_note(note)
            raise failure from error
    if uses:
        _wait_until_free(device)


def eject(device: Device) -> str:
    """Let a device go and say what came of it; that it cannot be ejected is no failure."""
    if device.is_loop or not device.is_removable:
        return ""
    for command in (["udisksctl", "power-off", "--no-user-interaction", "-b"], ["eject"]):
        try:
            tool = find_tool(command[0])
            run_tool([tool, *command[1:], device.path], seconds=_SECONDS)
        except ToolError:
            continue
        return "ejected: it can be taken out"
    return "everything is on it: it can be taken out"


def _wait_until_free(device: Device) -> None:
    """Wait until the kernel has let go of a device that nothing is mounted from any more.

    It does so a moment later when somebody was just looking at the mount.
    """
    end = time.monotonic() + _LETTING_GO_SECONDS
    while time.monotonic() < end:
        try:
            os.close(os.open(device.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(0.05)
        else:
            return


def _unmount(use: Use) -> None:
    """Take one filesystem off, by udisks if that mounted it.

    Raises:
        ToolError: it cannot be done.
    """
    if use.point.startswith(_BY_UDISKS):
        with suppress(ToolError):
            options = ["--no-user-interaction", "-b", f"/dev/{use.name}"]
            run_tool([find_tool("udisksctl"), "unmount", *options], seconds=_SECONDS)
            return
    run_tool([find_tool("umount"), use.point], seconds=_SECONDS)
