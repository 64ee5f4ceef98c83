"""An image that is a file of this machine: what lies beside it, and whether it stayed as it was."""

import stat
from pathlib import Path

from builder.errors import HostError
from builder.formats.disk import MIB
from builder.host import FileState, host_errors, state_of

_LARGEST = 64 * MIB
"""A block map of 2 TiB in ranges of 4 MiB is the longest that anybody writes."""


def read_beside(image: Path, name: str) -> bytes | None:
    """Return a short file in the folder of an image, ``None`` when there is none.

    Raises:
        HostError: it cannot be read, is no file, or has more than 64 MiB.
    """
    beside = image.with_name(name)
    with host_errors(beside, hint="check its permissions"):
        try:
            if not stat.S_ISREG(beside.stat().st_mode):  # a pipe would be waited for
                raise HostError(
                    f"{beside}: is no file; wanted a text",
                    hint=f"is it of use beside {image.name}?",
                )
            with beside.open("rb") as stream:
                content = stream.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
    if len(content) > _LARGEST:
        raise HostError(
            f"{beside}: has more than {_LARGEST} bytes; wanted a short text",
            hint="fetch it anew, or move it away",
        )
    return content


def check_same(image: Path, before: FileState) -> None:
    """Complain when a file is not the one any more that was checked.

    Raises:
        HostError: it is another, or was written to.
    """
    if state_of(image) != before:
        raise HostError(
            f"{image}: was changed or replaced while it was read",
            hint="burn it again when nothing writes to it any more",
        )
