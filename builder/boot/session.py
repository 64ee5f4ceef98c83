"""A running machine: its process, its console, its remote control, and its throw-away files."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from builder.boot.console import Console, open_console
from builder.boot.machine import Machine, Setting
from builder.boot.monitor import Monitor, open_monitor
from builder.boot.qemu import (
    format_arguments,
    make_overlay,
    on_socket,
    on_terminal,
    write_overlay,
)
from builder.formats.foreign import Running, lend_terminal, start_tool
from builder.structs import Struct

_MOMENT = 2.0
"""Seconds that QEMU may take to end after it has closed its sockets."""


class Session(Struct, frozen=True):
    """A running machine.

    Attributes:
        console: Its serial console.
        monitor: Its remote control.
        folder: Throw-away files.
        begun: When it was switched on, as ``time.monotonic`` counts.
    """

    console: Console
    monitor: Monitor
    folder: Path
    begun: float
    _running: Running

    def take_screenshot(self, path: Path) -> None:
        """Write the screen as a PNG picture."""
        self.monitor.take_screenshot(path, self.folder)


@contextmanager
def start_machine(
    machine: Machine, setting: Setting, pieces: dict[int, bytes]
) -> Iterator[Session]:
    """Start a machine with its console on a socket; it is switched off at the end.

    Args:
        machine: What the artifact asks for.
        setting: What the user decides.
        pieces: What to write to the throw-away disk first, by offset.

    Raises:
        ToolError: QEMU is missing or fails.
    """
    with _throw_away(machine, setting, pieces) as folder:
        argv = format_arguments(machine, setting, folder) + on_socket(folder)
        begun = time.monotonic()
        with (
            start_tool(argv, folder / "qemu.log") as running,
            open_console(folder / "console", running.check) as console,
            open_monitor(folder / "monitor", partial(_check_end, running)) as monitor,
        ):
            yield Session(console, monitor, folder, begun, running)


def attend_machine(machine: Machine, setting: Setting, pieces: dict[int, bytes]) -> int:
    """Start a machine with its console on our terminal and return QEMU's exit status."""
    with _throw_away(machine, setting, pieces) as folder:
        return lend_terminal(format_arguments(machine, setting, folder) + on_terminal())


def _check_end(running: Running) -> None:
    """Complain when it has ended with a failure, or does so in a moment."""
    running.wait(_MOMENT)
    running.check()


@contextmanager
def _throw_away(machine: Machine, setting: Setting, pieces: dict[int, bytes]) -> Iterator[Path]:
    """Make the overlay, unless the disk itself may be changed, in a folder that goes with it."""
    # Sockets have short names only (unix(7): 108 bytes), so the folder is not the user's.
    with tempfile.TemporaryDirectory(prefix="photon-boot-") as name:
        folder = Path(name)
        if setting.disk is None:
            overlay = folder / "overlay.qcow2"
            make_overlay(machine, overlay)
            if pieces:
                write_overlay(overlay, pieces, folder)
        yield folder
