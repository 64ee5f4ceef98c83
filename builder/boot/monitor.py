"""The QEMU Machine Protocol (QMP) of a running QEMU, and its screen as a PNG picture.

Sources: QEMU Machine Protocol specification: one JSON object a line; a greeting; capabilities are
negotiated once; events may come between a command and its answer. Netpbm's ppm(5), raw form, as
``screendump`` writes it; PNG, ISO/IEC 15948:2004, 11.2 "Critical chunks", 8-bit true colour only.
"""

import json
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import FormatError, ToolError

_SECONDS = 30.0
_HEADER = re.compile(rb"P6\s+(?:#[^\n]*\n\s*)*(\d{1,5})\s+(\d{1,5})\s+255\s")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = 2
_UNFILTERED = b"\0"
_PIXEL_SIZE = 3


class QmpClient:
    """A connection to QEMU's control socket."""

    def __init__(self, connection: socket.socket, lines: BinaryIO) -> None:
        self._connection = connection
        self._lines = lines
        self._read()
        self.do("qmp_capabilities")

    def do(self, command: str, **arguments: str | bool) -> object:
        """Send a command and return its answer.

        Raises:
            ToolError: QEMU refuses it, or has ended.
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
            scratch: Folder for the temporary PPM.
        """
        raw = scratch / "screen.ppm"
        self.do("screendump", filename=str(raw))
        path.write_bytes(convert_ppm(raw.read_bytes()))
        raw.unlink()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ToolError("QEMU: closed its control socket")
        found = json.loads(line)
        return found if isinstance(found, dict) else {}


@contextmanager
def open_monitor(path: Path, gone: Callable[[], None]) -> Iterator[QmpClient]:
    """Connect to the control socket of a QEMU that runs.

    Args:
        path: The socket.
        gone: Raises, with QEMU's messages, when QEMU has ended.

    Raises:
        ToolError: QEMU does not answer.
    """
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as lines:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
            monitor = QmpClient(connection, lines)
        except (OSError, ToolError) as error:
            gone()
            raise ToolError(f"QEMU: no answer on its control socket: {error}") from error
        yield monitor


def convert_ppm(ppm: bytes) -> bytes:
    """Return a raw PPM picture as PNG.

    Raises:
        FormatError: it is not a raw PPM, or is truncated.
    """
    header = _HEADER.match(ppm)
    if header is None:
        raise FormatError("the screen: not a raw PPM picture of 8 bits a colour")
    width, height = int(header[1]), int(header[2])
    row_size = width * _PIXEL_SIZE
    pixels = memoryview(ppm)[header.end() :]
    if len(pixels) < row_size * height:
        raise FormatError(f"the screen: {len(pixels)} bytes; wanted {row_size * height}")
    rows = (pixels[n * row_size : (n + 1) * row_size] for n in range(height))
    raw = b"".join(_UNFILTERED + row for row in rows)
    size = struct.pack(">IIBBBBB", width, height, 8, _TRUE_COLOUR, 0, 0, 0)
    parts = ((b"IHDR", size), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk: length, kind, content, checksum of both."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
