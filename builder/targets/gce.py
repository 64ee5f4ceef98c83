"""Google Compute Engine image: a tar in the old GNU format whose only member is disk.raw."""

from builder.carriers import EDITABLE
from builder.carriers.packing import DISK, LEVEL, Packing
from builder.facts import Facts
from builder.formats.disk import GIB
from builder.job import Job, Made
from builder.targets import Target

_PACKING = Packing("disk.raw", multiple=GIB, is_fixed=True)


def _recipe(job: Job) -> Made:
    """Edit the disk in the published image; the codecs are imported when they are wanted."""
    from builder.carriers.disk_image import build_disk_image

    return build_disk_image(job, _PACKING)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a sample base."""
    from builder.sample.disk_image import make_disk_image

    make_disk_image(fd, timestamp, facts, "disk.raw")


TARGET = Target(
    "gce",
    "disk.raw in a tar.gz for Google Compute Engine",
    ".gce.tar.gz",
    supports=EDITABLE,
    recipe=_recipe,
    sample=_sample,
    options=LEVEL,
    sections=DISK,
    suffix_for=lambda options: f".gce{_PACKING.suffix(options)}",
    image="gce",
)
