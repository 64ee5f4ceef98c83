"""The remote control of a running QEMU.

Source: QEMU Machine Protocol specification: one JSON object a line; a greeting; capabilities are
negotiated once; events may come between a command and its answer.
"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from builder.boot.screenshot import convert_ppm
from builder.errors import ToolError

_SECONDS = 30.0


class Monitor:
    """A connection to QEMU's control socket."""

    def __init__(self, connection: socket.socket, lines: BinaryIO) -> None:
        self._connection = connection
        self._lines = lines
        self._read()
        self.do("qmp_capabilities")

    def do(self, command: str, **arguments: str | bool) -> object:
        """Give a command and return its answer.

        Raises:
            ToolError: QEMU refuses it, or is gone.
        """
        request = {"execute": command, "arguments": arguments}
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            answer = self._read()
            while "event" in answer:
                answer = self._read()
        except OSError as error:
            raise ToolError(f"QEMU: {command}: {error}") from error
        if "error" in answer:
            raise ToolError(f"QEMU: {command}: {answer['error'].get('desc')}")
        return answer.get("return")

    def take_screenshot(self, path: Path, scratch: Path) -> None:
        """Write the screen as a PNG picture.

        Args:
            path: The picture.
            scratch: A folder for the picture as QEMU writes it.
        """
        raw = scratch / "screen.ppm"
        self.do("screendump", filename=str(raw))
        path.write_bytes(convert_ppm(raw.read_bytes()))
        raw.unlink()

    def _read(self) -> dict[str, Any]:
        """Return the next object."""
        line = self._lines.readline()
        if not line:
            raise ToolError("QEMU: closed its control socket")
        found = json.loads(line)
        return found if isinstance(found, dict) else {}


@contextmanager
def open_monitor(path: Path, gone: Callable[[], None]) -> Iterator[Monitor]:
    """Connect to the control socket of a QEMU that runs.

    Args:
        path: The socket.
        gone: Raises, with what QEMU said, when it has ended instead of answering.

    Raises:
        ToolError: there is no answer.
    """
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as lines:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
            monitor = Monitor(connection, lines)
        except (OSError, ToolError) as error:
            gone()
            raise ToolError(f"QEMU: no answer on its control socket: {error}") from error
        yield monitor
