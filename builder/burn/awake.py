"""Keeps the machine from going to sleep over a card that is being written.

Sources: systemd-inhibit(1), logind.conf(5) (a closing lid heeds only its own lock), caffeinate(8).
Both hold for as long as a program runs; theirs ends with this process, however that ends. Without
them, or where nobody heeds them, the card is written all the same.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.burn.devices import Device
from builder.errors import ToolError
from builder.formats.foreign import find_tool, start_tool


@contextmanager
def stays_awake(devices: Sequence[Device]) -> Iterator[None]:
    """Ask the system not to sleep as long as the context lasts."""
    try:
        command = _command(devices)
    except ToolError:
        yield
        return
    with start_tool(command, Path(os.devnull)):
        yield


def _command(devices: Sequence[Device]) -> list[str]:
    """Return what keeps this system awake.

    Raises:
        ToolError: nothing does.
    """
    tool, us = find_tool("systemd-inhibit", "caffeinate"), str(os.getpid())
    if Path(tool).name == "caffeinate":
        return [tool, "-i", "-s", "-w", us]
    why = f"writing {' '.join(str(device.path) for device in devices)}"
    locks = "--what=sleep:idle:handle-lid-switch"
    wait = ["tail", f"--pid={us}", "-f", os.devnull]
    return [tool, locks, "--who=photon-builder", f"--why={why}", "--mode=block", *wait]
