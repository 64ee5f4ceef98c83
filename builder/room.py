"""Room for container images on a disk, reckoned before anything is downloaded.

A guest needs more for them until all are loaded than after: see ``image_archive.peak``. Where the
first boot grows the root, as boards do, the disk itself has to hold no more than the archives.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.carriers.packing import disk_size
from builder.engine.paths import guest
from builder.errors import NoSpaceError
from builder.formats.disk import GIB, MIB
from builder.guest import card
from builder.image_archive import Archive, peak
from builder.images import Image, open_image
from builder.plan import Plan
from builder.structs import Struct

_SPARE = 64 * MIB
"""For what else a plan writes, and what a filesystem keeps for itself."""


class Growth(Struct, frozen=True):
    """How a disk becomes large enough.

    Attributes:
        before: Bytes of the disk, as the base and the spec have it.
        after: Bytes that it needs; the same when it is large enough.
    """

    before: int
    after: int

    @property
    def text(self) -> str:
        """What is done, as text; empty for nothing."""
        if self.before == self.after:
            return ""
        return f"the disk grows from {self.before / GIB:g} to {self.after / GIB:g} GiB for images"


def reckon(plan: Plan, base: Path, sections: Mapping[str, Any]) -> Growth:
    """Return how large the disk of a base has to be for the images of a plan.

    Args:
        plan: The plan.
        base: An artifact with a disk.
        sections: Those of the spec; ``disk.size`` is kept to.

    Raises:
        NoSpaceError: the size that the spec gives is too small.
    """
    archives = plan.archives()
    wanted = disk_size(sections)
    with open_image(base) as image:
        size = max(wanted, image.disk.size)
        lacking = _needed(image, archives) - _free(image) - (size - image.disk.size)
    if lacking <= 0:
        return Growth(size, size)
    enough = -(-(size + lacking) // GIB) * GIB
    if wanted:
        raise NoSpaceError(
            f"the images need {lacking / MIB:.0f} MiB more of the root than a disk of "
            f"{wanted / GIB:g} GiB has",
            code="DSK003",
            hint=f"write disk: {{size: {enough // GIB}GiB}}, or drop the key: the disk grows then",
        )
    return Growth(size, enough)


def _needed(image: Image, archives: tuple[Archive, ...]) -> int:
    """Return the bytes of the root that archives need."""
    if image.root().lstat(card.WANTED) is not None:  # the first boot grows it
        return sum(archive.size for archive in archives) + _SPARE
    return peak(archives) + _SPARE


def _free(image: Image) -> int:
    """Return the bytes that are free in the root filesystem."""
    return image.root().mounts[guest("/")].free
