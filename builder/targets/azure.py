"""Azure image: a fixed VHD of whole MiB, in a tar as Photon publishes it."""

from builder.carriers import EDITABLE
from builder.carriers.packing import DISK, PACKING, Packing
from builder.facts import Facts
from builder.job import Job, Made
from builder.targets import Target

_PACKING = Packing("{name}.vhd", is_vhd=True)


def _recipe(job: Job) -> Made:
    """Edit the disk in the published image; the codecs are imported when they are wanted."""
    from builder.carriers.disk_image import build_disk_image

    return build_disk_image(job, _PACKING)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a sample base."""
    from builder.sample.disk_image import make_disk_image

    make_disk_image(fd, timestamp, facts, "photon-sample.vhd")


TARGET = Target(
    "azure",
    "Fixed VHD in a tar.gz for Microsoft Azure",
    ".azure.tar.gz",
    supports=EDITABLE,
    recipe=_recipe,
    sample=_sample,
    options=PACKING,
    sections=DISK,
    suffix_for=lambda options: f".azure{_PACKING.suffix(options)}",
    image="azure",
)
