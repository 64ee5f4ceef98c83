"""Before and after a card: filesystems taken off it, the card let go.

Sources: umount(8), udisksctl(1), eject(1). Never lazy: a filesystem that is in use stays mounted.
"""

from collections.abc import Iterator
from pathlib import Path

from builder.burn.backing import Use
from builder.burn.devices import Device
from builder.errors import DeviceError, ToolError
from builder.formats.foreign import find_tool, run_tool

_SECONDS = 60.0
_MOST_USERS = 5


def unmount(device: Device, uses: list[Use]) -> None:
    """Take every filesystem off a device, the last mounted first.

    Raises:
        DeviceError: one is in use; names who uses it.
    """
    for use in reversed(uses):
        try:
            run_tool([find_tool("umount"), use.point], seconds=_SECONDS)
        except ToolError as error:
            users = ", ".join(list(_iter_users(use.point))[:_MOST_USERS])
            who = f", used by {users}" if users else ""
            failure = DeviceError(
                f"{device.path}: {use.point} cannot be unmounted{who}",
                hint="close what uses it, and try again",
            )
            for note in getattr(error, "__notes__", ()):
                failure.add_note(note)
            raise failure from error


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


def _iter_users(point: str) -> Iterator[str]:
    """Yield the processes that have something open below a mount point, as far as we may look."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
            opened = any(_is_below(link, point) for link in links)
            name = (process / "comm").read_text().strip() if opened else ""
        except OSError:
            continue
        if opened:
            yield f"{name} ({process.name})"


def _is_below(link: Path, point: str) -> bool:
    """Tell whether a link of a process leads below a mount point."""
    try:
        return link.readlink().is_relative_to(point)
    except OSError:
        return False
