"""The virtual machine that an artifact asks for.

Source: DSP0243 for what an appliance asks for; El Torito for the firmware that a medium starts
with; the gABI's ELF header, ``e_machine``, for the processor of a disk's programs. What QEMU makes
of it is :mod:`builder.boot.qemu`'s.
"""

import itertools
import json
from pathlib import Path
from typing import Literal

from builder.errors import FormatError, GuestError
from builder.formats.disk import SECTOR
from builder.formats.ova import open_ova
from builder.guestpath import guest
from builder.images import Image, open_image
from builder.structs import Struct, field

Firmware = Literal["bios", "efi"]
Accelerator = Literal["kvm", "tcg"]
Architecture = Literal["x86_64", "aarch64"]

_DEFAULT_MEMORY_MIB = 2048
_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_ADAPTERS = {"VmxNet3": "vmxnet3", "E1000": "e1000", "E1000e": "e1000e", "PCNet32": "pcnet"}
_INIT = guest("/usr/lib/systemd/systemd")
_ELF_MACHINE = slice(18, 20)
_AARCH64 = b"\xb7\0"


class PortForward(Struct, frozen=True):
    """A port of the host's loopback that is forwarded to the guest."""

    host: int
    guest: int
    protocol: Literal["tcp", "udp"] = "tcp"


class GuestNetwork(Struct, frozen=True):
    """The network that QEMU emulates for the guest.

    Attributes:
        net: GuestNetwork with prefix length; empty for QEMU's default, 10.0.2.0/24.
        host: The router, which is the host.
        dns: The name server, which forwards to the host's.
        guest: Address of port forwards; empty for the first lease.
    """

    net: str = ""
    host: str = ""
    dns: str = ""
    guest: str = ""


class VirtualMachine(Struct, frozen=True):
    """The virtual machine that an artifact asks for.

    Attributes:
        name: For titles.
        source: The disk, read-only, in QEMU's syntax; empty for a new disk.
        source_format: ``vmdk`` or ``raw``.
        medium: Path of an installation medium, empty without one.
        disk: Name of the disk in the guest, such as ``nvme0n1``; empty for any.
        architecture: Of the processor.
        firmware: ``bios`` or ``efi``.
        cpus: Number of processors.
        memory_mib: Memory.
        adapters: QEMU's network devices.
        notes: Differences from what the artifact asks for.
    """

    name: str
    source: str = ""
    source_format: str = "raw"
    medium: str = ""
    disk: str = ""
    architecture: Architecture = "x86_64"
    firmware: Firmware = "bios"
    cpus: int = 1
    memory_mib: int = _DEFAULT_MEMORY_MIB
    adapters: tuple[str, ...] = ("vmxnet3",)
    notes: tuple[str, ...] = ()

    @property
    def console(self) -> str:
        """Name of the serial console in the guest."""
        return "ttyAMA0" if self.architecture == "aarch64" else "ttyS0"


class StartOptions(Struct, frozen=True):
    """How a virtual machine is started.

    Attributes:
        accelerator: How the guest's instructions are executed.
        forwards: Port forwards to the guest.
        network: The network around it.
        disk: A raw disk that the guest may change; ``None`` for a temporary overlay.
        ends_at_restart: Whether a restart of the guest switches the machine off.
        cpu: QEMU's processor model; empty for the default.
    """

    accelerator: Accelerator = "tcg"
    forwards: tuple[PortForward, ...] = ()
    network: GuestNetwork = field(default_factory=GuestNetwork)
    disk: Path | None = None
    ends_at_restart: bool = False
    cpu: str = ""


def read_machine(artifact: Path) -> VirtualMachine:
    """Return the machine that an artifact asks for.

    Args:
        artifact: An appliance, a medium, or a disk that is not compressed.

    Raises:
        FormatError: it is damaged, or its format is unknown.
    """
    path = artifact.resolve()
    with open_image(path) as image:
        if image.kind == "ova":
            return _appliance(path)
        if image.kind == "iso":
            return _medium(path, image)
        size = image.disk.size if image.kind == "vhd" else path.stat().st_size
        kind = "vmdk" if image.kind == "vmdk" else "raw"
        source = _block_device(path, kind, 0, size)
        if _architecture(image) == "aarch64":
            adapters = ("virtio-net-pci",)
            return VirtualMachine(path.stem, source, kind, architecture="aarch64", firmware="efi",
                           cpus=2, adapters=adapters)  # fmt: skip
        legacy = any(each.partition.type == _BIOS_BOOT for each in image.volumes())
        return VirtualMachine(path.stem, source, kind, firmware="bios" if legacy else "efi")


def _appliance(path: Path) -> VirtualMachine:
    """Return the machine that an appliance's envelope describes."""
    with open_ova(path) as ova:
        member, _ = ova.disk
        envelope = ova.envelope
        source = _block_device(path, "vmdk", member.offset, member.size)
        firmware: Firmware = "efi" if envelope.firmware == "efi" else "bios"
        notes = ["the disk is on SATA: this UEFI knows no pvscsi"] if firmware == "efi" else []
        notes += ["Secure Boot is left out"] if envelope.secure_boot else []
        known = [_ADAPTERS[kind] for kind in envelope.nic_types if kind in _ADAPTERS]
        unknown = [kind for kind in envelope.nic_types if kind not in _ADAPTERS]
        notes += [f"network adapter {kind}: vmxnet3 instead" for kind in unknown]
        return VirtualMachine(
            name=envelope.name or path.stem,
            source=source,
            source_format="vmdk",
            firmware=firmware,
            cpus=envelope.cpus or 1,
            memory_mib=envelope.memory_mib or _DEFAULT_MEMORY_MIB,
            adapters=tuple(known + ["vmxnet3"] * len(unknown)),
            notes=tuple(notes),
        )


def _medium(path: Path, image: Image) -> VirtualMachine:
    """Return a machine with an empty disk for a medium to install to.

    Raises:
        FormatError: no firmware starts from it.
    """
    starts = image.facts["firmware"]
    if not starts:
        raise FormatError(f"{path}: no firmware starts from it: it has no boot catalog")
    return VirtualMachine(path.stem, medium=str(path), firmware=starts[0], cpus=2)


def _architecture(image: Image) -> Architecture:
    """Return what the init program of a disk runs on."""
    try:
        head = b"".join(itertools.islice(image.root().chunks(_INIT), 1))
    except (FormatError, GuestError):
        return "x86_64"
    return "aarch64" if head[_ELF_MACHINE] == _AARCH64 else "x86_64"


def _block_device(path: Path, driver: str, offset: int, size: int) -> str:
    """Return part of a file as a disk of that format.

    Raises:
        FormatError: QEMU counts in sectors, and the part does not.
    """
    if offset % SECTOR or (driver == "vmdk" and size % SECTOR):
        raise FormatError(f"{path}: the disk does not begin and end with a sector")
    file = {"driver": "file", "filename": str(path)}
    part = {"driver": "raw", "offset": offset, "size": size, "file": file}
    return "json:" + json.dumps(part if driver == "raw" else {"driver": driver, "file": part})
