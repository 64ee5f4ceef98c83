"""How far a card got that was interrupted, so that the next run need not write it all again.

One small JSON file a card, in the folder of the cache. It is a hint and no more: what it says is
there is read and compared before it is believed.
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


class Journal:
    """The note about one card.

    Args:
        folder: Where notes are kept; made when the first is written.
        device: The card.
        image: What identifies the image.
    """

    def __init__(self, folder: Path, device: Device, image: str) -> None:
        name = device.serial or device.wwn or f"{device.name}-{device.size}"
        self._path = folder / f"{re.sub(r'[^0-9A-Za-z._-]', '_', name)}.json"
        self._image = image
        self._noted = 0.0
        self._reached = 0

    def read(self) -> int:
        """Return how many bytes of this image the card may hold; zero when nothing is known."""
        try:
            match json.loads(self._path.read_bytes()):
                case {"image": str(image), "reached": int(reached)} if image == self._image:
                    return reached
        except (OSError, ValueError, RecursionError):
            pass
        return 0

    def note(self, reached: int, *, now: bool = False) -> None:
        """Write how far the card is; not more often than is useful, unless it must be ``now``."""
        is_far = reached - self._reached >= _EVERY_BYTES
        if not now and not is_far and time.monotonic() - self._noted < _EVERY_SECONDS:
            return
        self._noted, self._reached = time.monotonic(), reached
        text = json.dumps({"image": self._image, "reached": reached})
        with contextlib.suppress(OSError):  # a hint that cannot be written is no reason to stop
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(self._path)

    def remove(self) -> None:
        """Forget the card: it is done."""
        with contextlib.suppress(OSError):
            self._path.unlink()
