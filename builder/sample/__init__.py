"""The sample base: a small disk shaped like Photon's, made on this machine without a download.

``disk.vmdk`` is an empty, partitioned disk that ``make_disk.sh`` made once. What is put on it
follows from the tables of :mod:`builder.facts`: the files of the packages that the release has on
an image (``packages/``), of the image itself (``images/``), and those that
:mod:`builder.sample.files` names. It holds no kernel, no boot loader and no program, so it does not
boot, and says so in ``/etc/motd`` (``tree/``).
"""

import os
from pathlib import Path

from builder.facts import Facts
from builder.facts.appliances import Hardware, hardware_of
from builder.formats.disk import MIB
from builder.formats.ext4 import Ext4
from builder.formats.fat import Fat
from builder.formats.ova import Appliance, write_ova
from builder.formats.ovf import Machine, make_envelope
from builder.formats.vmdk import GrainOverlay, StreamOptimized, splice
from builder.guestpath import guest
from builder.roots.mounted import MountedRoot
from builder.sample.nodes import make_operations

DISK = Path(__file__).with_name("disk.vmdk")
"""An empty disk: a BIOS boot partition, an EFI system partition and a root, as in Photon's OVA."""

_NAME = "photon-sample"
_DISK_NAME = f"{_NAME}-disk1.vmdk"
_ROOT = guest("/")
_ESP = guest("/boot/efi")
_ESP_OFFSET = 5 * MIB
_ROOT_OFFSET = 15 * MIB


def make_ova(fd: int, timestamp: int, facts: Facts, *, image: str = "ova") -> None:
    """Write the sample base as a virtual appliance; the same arguments give the same bytes.

    Args:
        fd: An empty file, open for reading and writing.
        timestamp: Time of everything in it, seconds since the epoch.
        facts: The image whose shape it has.
        image: Photon's name of the appliance, whose hardware the envelope asks for: ``ova`` or
            ``ova_uefi``; a release without the latter has the former's, with UEFI.
    """
    hardware = _hardware(facts, image)
    source = os.open(DISK, os.O_RDONLY)
    try:
        vmdk = StreamOptimized(source, 0, os.fstat(source).st_size, name=DISK.name)
        overlay = GrainOverlay(vmdk)
        plant(overlay, timestamp, facts)
        spliced = splice(overlay)
        machine = Machine(
            name=_NAME,
            disk_name=_DISK_NAME,
            disk_size=spliced.size,
            capacity=overlay.size,
            populated_size=_populated_size(overlay),
            hardware_version=f"vmx-{hardware.version}",
            firmware=hardware.firmware,
            version=facts.release,
        )
        appliance = Appliance(
            envelope_name=f"{_NAME}.ovf",
            envelope=make_envelope(machine),
            disk_name=_DISK_NAME,
            disk_size=spliced.size,
            disk_segments=spliced.segments(),
            algorithm="SHA256",
            mtime=timestamp,
        )
        write_ova(fd, appliance)
    finally:
        os.close(source)


def _hardware(facts: Facts, image: str) -> Hardware:
    """Return the hardware of an appliance of the release."""
    found = hardware_of(facts.revision, image) or hardware_of(facts.revision, "ova")
    if found is None:
        raise LookupError(facts.revision)
    return found


def plant(overlay: GrainOverlay, timestamp: int, facts: Facts) -> None:
    """Make the tree on the empty filesystems."""
    root = Ext4(overlay, _ROOT_OFFSET, timestamp=timestamp, name="the sample's root")
    esp = Fat(overlay, _ESP_OFFSET, timestamp=timestamp, name="the sample's EFI partition")
    tree = MountedRoot({_ROOT: root})
    for op in make_operations(facts):
        tree.apply(op)
        if op.path == _ESP:
            tree = MountedRoot({_ROOT: root, _ESP: esp})
    tree.flush()


def _populated_size(overlay: GrainOverlay) -> int:
    """Return the length of the grains that hold data."""
    held = {grain for grain, _ in overlay.vmdk.tables.iter_allocated()}
    return len(held | overlay.pack().keys()) * overlay.vmdk.grain_size
