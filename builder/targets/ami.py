"""Amazon Machine Image: a raw disk in a tar, from which a snapshot is imported."""

from builder.carriers import EDITABLE
from builder.carriers.packing import DISK, PACKING, Packing
from builder.facts import Facts
from builder.job import Job, Made
from builder.targets import Target

_PACKING = Packing("{name}.raw")


def _recipe(job: Job) -> Made:
    """Edit the disk in the published image; the codecs are imported when they are wanted."""
    from builder.carriers.disk_image import build_disk_image

    return build_disk_image(job, _PACKING)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a sample base."""
    from builder.sample.disk_image import make_disk_image

    make_disk_image(fd, timestamp, facts, "photon-sample.raw")


TARGET = Target(
    "ami",
    "Raw disk in a tar.gz for Amazon EC2",
    ".ami.tar.gz",
    supports=EDITABLE,
    recipe=_recipe,
    sample=_sample,
    options=PACKING,
    sections=DISK,
    suffix_for=lambda options: f".ami{_PACKING.suffix(options)}",
    image="ami",
)
