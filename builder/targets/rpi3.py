"""Raspberry Pi image: a raw disk with an MBR, compressed, as it is written to a card."""

from builder.carriers import BOARD
from builder.carriers.packing import DISK, PACKING, Packing
from builder.facts import Facts
from builder.job import Job, Made
from builder.targets import Target

_PACKING = Packing("{name}.raw", compression="xz", archive=False, is_card=True)


def _recipe(job: Job) -> Made:
    """Edit the disk in the published image; the codecs are imported when they are wanted."""
    from builder.carriers.disk_image import build_disk_image

    return build_disk_image(job, _PACKING)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a sample base."""
    from builder.sample.disk_image import make_disk_image

    make_disk_image(fd, timestamp, facts, "", compression="xz")


TARGET = Target(
    "rpi3",
    "Raw disk for the SD card of a Raspberry Pi",
    ".rpi3.raw.xz",
    supports=BOARD,
    recipe=_recipe,
    sample=_sample,
    options=PACKING,
    sections=DISK,
    is_board=True,
    boards={"": ("pi3-64bit", "pi4-64bit"), "3.0": ("pi3-64bit",)},
    suffix_for=lambda options: f".rpi3{_PACKING.suffix(options)}",
    image="rpi",
)
