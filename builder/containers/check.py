"""A layer that is checked while it arrives, by a thread that reads behind whoever writes."""

import io
import threading
from pathlib import Path
from typing import Self

from builder.containers.pieces import Following
from builder.errors import FormatError
from builder.formats.layer import Layer, read_layer

_AHEAD = 1 << 18


class LayerCheck:
    """Reads a layer in a thread of its own."""

    def __init__(self, path: Path, size: int, name: str) -> None:
        self._stream = Following(path, size)
        self._size = size
        self._name = name
        self._found: Layer | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="layer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.end()
        self._thread.join()
        self._stream.close()

    def reach(self, size: int) -> None:
        """Say how many bytes of the file are there."""
        self._stream.reach(size)

    def finish(self, diff_id: str) -> Layer:
        """Return what the layer holds, all of its bytes being there.

        Raises:
            FormatError: it is damaged, or another one than the configuration of its image says.
        """
        self._stream.end()
        self._thread.join()
        if self._found is None:
            raise self._error or FormatError(f"{self._name}: it was not read")
        if self._found.diff_id != diff_id:
            raise FormatError(
                f"{self._name}: it unpacks to {self._found.diff_id}, and the configuration of its "
                f"image says {diff_id}"
            )
        return self._found

    def _run(self) -> None:
        """Read to the end."""
        try:
            self._found = read_layer(
                io.BufferedReader(self._stream, _AHEAD), self._size, self._name
            )
        except Exception as error:
            self._error = error
