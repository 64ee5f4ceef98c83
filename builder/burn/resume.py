"""How far an interrupted card was written, so that the next run does not write it all again.

One small JSON file a card, in the cache folder. It is only a hint: data that it says is on the card
is read and compared.
"""

import contextlib
import json
import re
import time
from pathlib import Path

from builder.burn.devices import Device
from builder.formats.disk import MIB

_EVERY_SECONDS = 2.0
_EVERY_BYTES = 32 * MIB


class ResumeNote:
    """How far one card was written.

    Args:
        folder: Folder of the notes; created when the first is written.
        device: The card.
        image: Identifies the image.
    """

    def __init__(self, folder: Path, device: Device, image: str) -> None:
        name = device.serial or device.wwn or f"{device.name}-{device.size}"
        self._path = folder / f"{re.sub(r'[^0-9A-Za-z._-]', '_', name)}.json"
        self._image = image
        self._noted = 0.0
        self._reached = 0

    def read(self) -> int:
        """Return how many bytes of this image the card may hold; zero when unknown."""
        try:
            match json.loads(self._path.read_bytes()):
                case {"image": str(image), "reached": int(reached)} if image == self._image:
                    return reached
        except (OSError, ValueError, RecursionError):
            pass
        return 0

    def write(self, reached: int, *, now: bool = False) -> None:
        """Record how far the card is written; throttled unless ``now``."""
        is_far = reached - self._reached >= _EVERY_BYTES
        if not now and not is_far and time.monotonic() - self._noted < _EVERY_SECONDS:
            return
        self._noted, self._reached = time.monotonic(), reached
        text = json.dumps({"image": self._image, "reached": reached})
        with contextlib.suppress(OSError):  # the burn does not depend on it
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(self._path)

    def remove(self) -> None:
        """Remove the note: the card is done."""
        with contextlib.suppress(OSError):
            self._path.unlink()
