"""What a burn does with the host: unmount, eject, prevent sleep, handle interrupts.

Sources: umount(8), udisksctl(1), eject(1); systemd-inhibit(1), logind.conf(5) (a closing lid obeys
only its own lock), caffeinate(8). Unmounting is never lazy: a filesystem in use stays mounted. The
locks end with this process, however that ends; where they are not available, the burn runs without.
"""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from builder.burn.devices import Device, SystemRoot
from builder.burn.usage import DeviceUse, users_of
from builder.errors import DeviceError, ToolError
from builder.formats.foreign import find_tool, run_tool, start_tool

_TOOL_SECONDS = 60.0
_RELEASE_SECONDS = 5.0
_UDISKS_FOLDERS = ("/media/", "/run/media/")
"""Where udisks mounts filesystems: it also removes the folders that it creates there."""
_INTERRUPTED_STATUS = 130
_FIRST = (
    b"\ninterrupted: finishing the current requests, then the card is left blank; press Ctrl-C "
    b"again to end at once\n"
)
_SECOND = b"\ninterrupted twice: ended at once; the content of the card is unknown, burn it again\n"


def unmount(device: Device, uses: list[DeviceUse]) -> None:
    """Unmount every filesystem of a device, the last mounted first.

    Raises:
        DeviceError: a filesystem is in use; names the processes.
    """
    for use in reversed(uses):
        try:
            _unmount(use)
        except ToolError as error:
            users = users_of(SystemRoot(), use.point)
            who = f", used by {users}" if users else ""
            failure = DeviceError(
                f"{device.path}: {use.point} cannot be unmounted{who}",
                hint="end the programs that use it, and try again",
            )
            for note in getattr(error, "__notes__", ()):
                failure.add_note(note)
            raise failure from error
    if uses:
        _wait_until_free(device)


def eject(device: Device) -> str:
    """Eject a device and return a remark for the user; empty for a device that is not removable."""
    if device.is_loop or not device.is_removable:
        return ""
    for command in (["udisksctl", "power-off", "--no-user-interaction", "-b"], ["eject"]):
        try:
            tool = find_tool(command[0])
            run_tool([tool, *command[1:], device.path], seconds=_TOOL_SECONDS)
        except ToolError:
            continue
        return "ejected: you can remove it"
    return "not ejected, but complete: you can remove it"


def _wait_until_free(device: Device) -> None:
    """Wait until the kernel has released an unmounted device, which may take a moment."""
    end = time.monotonic() + _RELEASE_SECONDS
    while time.monotonic() < end:
        try:
            os.close(os.open(device.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(0.05)
        else:
            return


def _unmount(use: DeviceUse) -> None:
    """Unmount one filesystem, by udisks if that mounted it.

    Raises:
        ToolError: umount(8) fails.
    """
    if use.point.startswith(_UDISKS_FOLDERS):
        with suppress(ToolError):
            options = ["--no-user-interaction", "-b", f"/dev/{use.name}"]
            run_tool([find_tool("udisksctl"), "unmount", *options], seconds=_TOOL_SECONDS)
            return
    run_tool([find_tool("umount"), use.point], seconds=_TOOL_SECONDS)


@contextmanager
def stay_awake(devices: Sequence[Device]) -> Iterator[None]:
    """Prevent sleep while the context lasts, where the system has a tool for it."""
    try:
        command = _inhibit_command(devices)
    except ToolError:
        yield
        return
    with start_tool(command, Path(os.devnull)):
        yield


def _inhibit_command(devices: Sequence[Device]) -> list[str]:
    tool, us = find_tool("systemd-inhibit", "caffeinate"), str(os.getpid())
    if Path(tool).name == "caffeinate":
        return [tool, "-i", "-s", "-w", us]
    why = f"writing {' '.join(str(device.path) for device in devices)}"
    locks = "--what=sleep:idle:handle-lid-switch"
    wait = ["tail", f"--pid={us}", "-f", os.devnull]
    return [tool, locks, "--who=photon-builder", f"--why={why}", "--mode=block", *wait]


@contextmanager
def end_on_second_interrupt() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise KeyboardInterrupt, and the second end the process.

    Nothing is cleaned up then: a thread may be waiting in the kernel for a card that stalls. Does
    nothing outside of the main thread, which alone may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    begun = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal begun
        is_second, begun = begun, True  # before anything that lets the next signal in
        with suppress(OSError):  # standard error may be closed
            os.write(sys.stderr.fileno(), _SECOND if is_second else _FIRST)
        if is_second:
            os._exit(_INTERRUPTED_STATUS)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
