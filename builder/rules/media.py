"""Rules of installation media by what is known of their base: the installer, kernels, devices."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from builder.errors import Diagnostic, GuestError
from builder.facts import Facts
from builder.guest.install_keys import check_bootmode, make_disk_keys
from builder.guest.installer import COMMON_KEYS, Installer
from builder.rules.model import Rule, Subject, error, finding

_IMAGES = ("iso-minimal", "rt-iso")
"""Photon's names of the media that install."""

_MINIMAL = "minimal-iso"
"""The target whose medium has few packages."""

_EVERYWHERE = "MODULES"
"""An option of every kernel: those that have it are all there are."""

_NODES = {"vd": "VIRTIO_BLK", "nvme": "BLK_DEV_NVME", "xvd": "XEN_BLKDEV_FRONTEND"}
"""Beginning of a device's name to the driver that gives the name."""

_NAMES = {"VIRTIO_BLK": "virtio", "BLK_DEV_NVME": "NVMe", "XEN_BLKDEV_FRONTEND": "Xen"}


def _media(subject: Subject) -> Iterator[tuple[str, Facts]]:
    """Yield the targets that install, with what is known of their base."""
    for name, facts in subject.bases.items():
        if facts.image in _IMAGES and facts.is_known:
            yield name, facts


def _installer(facts: Facts) -> Installer:
    """Return the installer as the carrier will find it on the medium."""
    known = facts.installer
    name = f"the installer of {facts.text}"
    keys = known.keys if known.has_source else COMMON_KEYS
    return Installer(name, keys, known.mount, filesystems=frozenset(known.mkfs))


def _refusals(subject: Subject) -> Iterator[tuple[str, GuestError]]:
    """Yield the keys of ``install`` that an installer refuses, with the error."""
    install = subject.spec.sections.get("install", {})
    for _, facts in _media(subject):
        known = _installer(facts)
        for key in ("bootmode", "disk", "partitions", "linux_flavor"):
            try:
                if key == "bootmode":
                    check_bootmode(install.get(key, ""), facts.arch)
                elif key in install:
                    make_disk_keys({key: install[key]}, known)
            except GuestError as refused:
                yield key, refused


def _refused(code: str) -> Callable[[Subject], Iterable[Diagnostic]]:
    """Return a check for what installers refuse under a code."""

    def check(subject: Subject) -> Iterator[Diagnostic]:
        for key, refused in _refusals(subject):
            if refused.code == code:
                document = subject.spec.document
                yield finding(str(refused), document, ("install", key), refused.hint)

    return check


def _missing_kernels(subject: Subject) -> Iterator[Diagnostic]:
    """Find kernels that Photon does not have for the base, or not on the medium."""
    flavor = subject.spec.sections.get("install", {}).get("linux_flavor")
    for name, facts in _media(subject) if flavor else ():
        there = tuple(sorted(facts.flavours_with(_EVERYWHERE)))
        if name == _MINIMAL:
            there = tuple(each for each in facts.installer.kernels if each in there)
        if there and flavor not in there:
            what = f"{facts.text} for {facts.arch}"
            message = f"{name} of {what} has no package {flavor}; it has {', '.join(there)}"
            few = "use the full ISO, or one of these kernels"
            hint = few if name == _MINIMAL else f"write linux_flavor: {' or '.join(there)}"
            yield _at(subject, "linux_flavor", message, hint)


def _without_driver(subject: Subject) -> Iterator[Diagnostic]:
    """Find disks that the chosen kernel does not see."""
    install: Any = subject.spec.sections.get("install", {})
    node = str(install.get("disk", "")).removeprefix("/dev/")
    option = next((option for start, option in _NODES.items() if node.startswith(start)), "")
    for _, facts in _media(subject) if option else ():
        flavor = install.get("linux_flavor") or facts.flavours[0]
        if facts.kernel_option(option, flavor) == "n":
            able = sorted(facts.flavours_with(option))
            message = (
                f"/dev/{node} needs a driver for {_NAMES[option]}, and {flavor} of {facts.text} "
                "has none: the installed system would not find its disk"
            )
            hint = f"write linux_flavor: {' or '.join(able)}" if able else "use another disk"
            yield _at(subject, "disk", message, hint)


def _at(subject: Subject, key: str, message: str, hint: str) -> Diagnostic:
    """Return a finding at a key of ``install``."""
    return finding(message, subject.spec.document, ("install", key), hint)


RULES: tuple[Rule, ...] = (
    error(
        "INS002",
        "A/B partitions of an installer without them",
        "They came with Photon's installer 2.1; the ISOs of 3.0 and 4.0 have older ones.",
        _refused("INS002"),
    ),
    error(
        "INS003",
        "a kernel that the installer cannot choose",
        "Before 3.0 Rev2 Update3 the installer knew linux and linux-esx only.",
        _refused("INS003"),
    ),
    error(
        "INS007",
        "a link to a disk that the installer does not follow",
        "Names below /dev/disk are links; installers before 2.4 make the names of partitions from "
        "them and find none.",
        _refused("INS007"),
    ),
    error(
        "INS008",
        "a boot mode that the architecture does not have",
        "There is no BIOS on an aarch64 machine, so the installer stops at bootmode bios and "
        "dualboot. Write efi, or leave it out.",
        _refused("INS008"),
    ),
    error(
        "INS009",
        "a filesystem that the installer cannot make",
        "The installer runs mkfs from the initial RAM disk of the medium, after the disk was "
        "erased. Those of 3.0 and 4.0 have neither mkfs.xfs nor mkfs.btrfs; that of 5.0 has both.",
        _refused("INS009"),
    ),
    error(
        "INS010",
        "a disk that the installed kernel does not see",
        "The installer runs the kernel `linux`, which sees most disks. linux-esx and linux-rt have "
        "the drivers of VMware's virtual machines and few others: without virtio, an installation "
        "to /dev/vda succeeds and the machine never starts.",
        _without_driver,
    ),
    error(
        "INS011",
        "logical volumes of an installer without them",
        "That of 3.0 GA passes `lvm` over in silence and makes plain partitions.",
        _refused("INS011"),
    ),
    error(
        "INS012",
        "a kernel that Photon does not have for this base",
        "Not every kernel exists for every release and architecture, and minimal ISOs have linux "
        "and linux-esx only.",
        _missing_kernels,
    ),
)
