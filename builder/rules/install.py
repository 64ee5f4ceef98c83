"""Rules of installation media: the disk, the installer, the packages of the medium."""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.guest.partitions import iter_wrong
from builder.rules.model import Rule, Subject, error, finding
from builder.sizes import GIB, has_unit, parse_size

_LARGEST_GIB = 2048
"""What an MBR can address with sectors of 512 bytes, and the most that the clouds import."""


def _too_large(subject: Subject) -> Iterator[Diagnostic]:
    """Find a disk that is to become larger than any target takes, and than any base is read."""
    size = subject.spec.sections.get("disk", {}).get("size", 0)
    if parse_size(size) > _LARGEST_GIB * GIB:
        message = f"found {size}; wanted {_LARGEST_GIB}GiB at most"
        hint = "give it a second disk for the data"
        if not has_unit(size):
            hint = f"write {size}M; a number alone counts GiB"
        yield finding(message, subject.spec.document, ("disk", "size"), hint)


def _wrong_partitions(subject: Subject) -> Iterator[Diagnostic]:
    """Find partitions that every installer refuses."""
    entries = subject.spec.sections.get("install", {}).get("partitions")
    for message, path in iter_wrong(entries) if entries else ():
        yield finding(message, subject.spec.document, ("install", "partitions", *path))


RULES: tuple[Rule, ...] = (
    error(
        "OUT002",
        "a section that no target takes",
        "Nothing is silently ignored: `install` says where an unattended installation goes, and a "
        "disk image is not installed. Drop the section, or add a target that installs.",
    ),
    error(
        "OUT003",
        "a section that a target needs",
        "Installation media ask nothing, so the spec has to say which disk they may erase. There "
        "is no default on purpose.",
    ),
    error(
        "DSK001",
        "a disk that cannot become so small",
        "A disk grows with its last partition and the root filesystem in it; it never shrinks, "
        "because what lies at the end would be lost.",
    ),
    error(
        "DSK002",
        "a disk that is too large",
        "A partition table of a PC ends at 2 TiB, and no cloud imports a larger image. A base "
        "whose table claims more is refused, too, before it is unpacked.",
        _too_large,
    ),
    error(
        "DSK003",
        "a disk without room for the images inside",
        "Images that are shipped need room twice: for their archives, and for the layers when they "
        "are loaded, with a copy of the archive that dockerd makes meanwhile. The size is reckoned "
        "from the lock file before anything is downloaded. Without disk.size the disk grows as "
        "far as it has to.",
    ),
    error(
        "INS001",
        "partitions that cannot be made",
        "One partition is mounted at `/`, one takes the rest of the disk (size 0, or none given), "
        "no two have one mount point, each but swap has one, /boot lies on no logical volume, "
        "/boot/efi is vfat, and `ab` and `lvm` are not for one partition. The installer says so "
        "on the machine, some of them after the disk was erased.",
        _wrong_partitions,
    ),
    error(
        "INS004",
        "a key that the installer does not know",
        "One unknown key makes the whole installation fail, on the machine, in the middle. The "
        "keys are read from the installer in the ISO, so this is said now.",
    ),
    error(
        "INS005",
        "a package list that the medium does not have",
        "The installer starts from a list of its own; which there are depends on the ISO.",
    ),
    error(
        "INS006",
        "more than an installation can carry",
        "The plan and its files are one bundle that Python runs: at most 65,000 files and 4 GiB. "
        "The installer of 3.0 GA copies no files: all has to lie in its kickstart, 8 MiB at most.",
    ),
    error(
        "PKG010",
        "a package that the medium does not have",
        "An installation without a network has the packages of the ISO and no others. The full ISO "
        "has what Photon publishes; RPM files can be given under `packages` too. The kernel of "
        "install.linux_flavor is such a package, and so are the tools of XFS and Btrfs.",
    ),
    error(
        "PKG011",
        "a medium without a repository",
        "RPM files are added to the repository of the ISO, in /RPMS; this one has none.",
    ),
)
