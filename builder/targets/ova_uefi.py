"""Virtual appliance with UEFI firmware and secure boot, as Photon 3.0 and 4.0 publish it."""

from builder.carriers import EDITABLE
from builder.carriers.options import OPTIONS
from builder.carriers.packing import DISK
from builder.facts import Facts
from builder.job import Job, Made
from builder.targets import Target


def _recipe(job: Job) -> Made:
    """Edit the disk in the published appliance; the codecs are imported when they are wanted."""
    from builder.carriers.appliance import build_appliance

    return build_appliance(job)


def _sample(fd: int, timestamp: int, facts: Facts) -> None:
    """Make a sample base."""
    from builder.sample import make_ova

    make_ova(fd, timestamp, facts, image="ova_uefi")


TARGET = Target(
    "ova_uefi",
    "Virtual appliance with UEFI firmware",
    ".uefi.ova",
    supports=EDITABLE,
    recipe=_recipe,
    sample=_sample,
    options=OPTIONS,
    sections=DISK,
    image="ova",
)
