"""A running machine: its process, console, QMP connection and temporary files."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from builder.boot.console import Console, open_console
from builder.boot.machine import StartOptions, VirtualMachine
from builder.boot.monitor import QmpClient, open_monitor
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
"""Seconds that QEMU may take to end after closing its sockets."""


class RunningMachine(Struct, frozen=True):
    """A running machine.

    Attributes:
        console: Its serial console.
        monitor: Its QMP connection.
        folder: Its temporary files.
        begun: When it was switched on, as ``time.monotonic`` counts.
    """

    console: Console
    monitor: QmpClient
    folder: Path
    begun: float
    _running: Running

    def take_screenshot(self, path: Path) -> None:
        """Write the screen as a PNG picture."""
        self.monitor.take_screenshot(path, self.folder)


@contextmanager
def start_machine(
    machine: VirtualMachine, setting: StartOptions, blocks: dict[int, bytes]
) -> Iterator[RunningMachine]:
    """Start a machine with its console on a socket; it is switched off at the end.

    Args:
        machine: The machine.
        setting: How it is started.
        blocks: Blocks that the overlay has at first, by offset.

    Raises:
        ToolError: QEMU is missing or fails.
    """
    with _temporary_folder(machine, setting, blocks) as folder:
        argv = format_arguments(machine, setting, folder) + on_socket(folder)
        begun = time.monotonic()
        with (
            start_tool(argv, folder / "qemu.log") as running,
            open_console(folder / "console", running.check) as console,
            open_monitor(folder / "monitor", partial(_check_end, running)) as monitor,
        ):
            yield RunningMachine(console, monitor, folder, begun, running)


def run_on_terminal(
    machine: VirtualMachine, setting: StartOptions, blocks: dict[int, bytes]
) -> int:
    """Start a machine with its console on the terminal; return QEMU's exit status."""
    with _temporary_folder(machine, setting, blocks) as folder:
        return lend_terminal(format_arguments(machine, setting, folder) + on_terminal())


def _check_end(running: Running) -> None:
    """Raise when QEMU has failed, or fails within a moment."""
    running.wait(_MOMENT)
    running.check()


@contextmanager
def _temporary_folder(
    machine: VirtualMachine, setting: StartOptions, blocks: dict[int, bytes]
) -> Iterator[Path]:
    """Yield a temporary folder, with the overlay unless the disk itself may be changed."""
    # Names of sockets are short (unix(7): 108 bytes), so the folder is in TMPDIR.
    with tempfile.TemporaryDirectory(prefix="photon-boot-") as name:
        folder = Path(name)
        if setting.disk is None:
            overlay = folder / "overlay.qcow2"
            make_overlay(machine, overlay)
            if blocks:
                write_overlay(overlay, blocks, folder)
        yield folder
