"""The virtual machine that an artifact asks for, as arguments of QEMU.

Source: QEMU's "Invocation" manual; DSP0243 for what an appliance asks for. A disk inside an
archive is read where it lies; everything the guest writes goes to a throw-away overlay. VMware's
devices exist in QEMU too: pvscsi, under BIOS, and vmxnet3. Secure Boot is not offered.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from builder.errors import FormatError, ToolError, UnsupportedError
from builder.formats.disk import SECTOR
from builder.formats.foreign import find_tool, run_tool
from builder.formats.ova import open_ova
from builder.images import open_image

Firmware = Literal["bios", "efi"]
Accelerator = Literal["kvm", "tcg"]

_INSTALL = "install QEMU: apt install qemu-system-x86 qemu-utils ovmf, or brew install qemu"
_DEFAULT_MEMORY_MIB = 2048
_CODE_AND_VARIABLES = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/opt/homebrew/share/qemu/edk2-x86_64-code.fd", "/opt/homebrew/share/qemu/edk2-i386-vars.fd"),
    ("/usr/local/share/qemu/edk2-x86_64-code.fd", "/usr/local/share/qemu/edk2-i386-vars.fd"),
)
"""Where distributions keep UEFI's program and its empty variables."""
_CONTROLLERS = {
    "bios": ("-device", "pvscsi,id=scsi", "-device", "scsi-hd,bus=scsi.0,drive=disk,bootindex=1"),
    "efi": ("-device", "ahci,id=sata", "-device", "ide-hd,bus=sata.0,drive=disk,bootindex=1"),
}
"""The disk's controller: QEMU's BIOS knows pvscsi, UEFI as distributions build it does not."""
_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_ADAPTERS = {"VmxNet3": "vmxnet3", "E1000": "e1000", "E1000e": "e1000e", "PCNet32": "pcnet"}


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of this machine that leads into the guest; on loopback only."""

    host: int
    guest: int
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True)
class Network:
    """The network that QEMU plays for the guest.

    Attributes:
        net: Network with prefix length; empty takes QEMU's own, 10.0.2.0/24.
        host: The router, which stands for this machine.
        dns: The name server, which asks this machine's.
        guest: Address that forwards lead to; empty takes the first lease.
    """

    net: str = ""
    host: str = ""
    dns: str = ""
    guest: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What an artifact asks for.

    Attributes:
        name: For titles.
        source: The disk, as QEMU names a block device that it only reads.
        source_format: ``vmdk`` or ``raw``.
        firmware: What starts it.
        cpus: Number of processors.
        memory_mib: Memory.
        adapters: QEMU's network devices.
        notes: What is not as the artifact asks.
    """

    name: str
    source: str
    source_format: str
    firmware: Firmware = "bios"
    cpus: int = 1
    memory_mib: int = _DEFAULT_MEMORY_MIB
    adapters: tuple[str, ...] = ("vmxnet3",)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What the user decides about a start.

    Attributes:
        accelerator: How the guest's instructions are executed.
        forwards: Ports that lead into the guest.
        network: The network around it.
    """

    accelerator: Accelerator = "tcg"
    forwards: tuple[Forward, ...] = ()
    network: Network = field(default_factory=Network)


def read_machine(artifact: Path) -> Machine:
    """Return the machine that an artifact asks for.

    Raises:
        FormatError: it is damaged, or nothing that is known.
        UnsupportedError: its disk cannot be read in place.
    """
    path = artifact.resolve()
    with open_image(path) as image:
        kind = image.kind
        legacy = any(each.partition.type == _BIOS_BOOT for each in image.volumes())
    if kind == "ova":
        return _appliance(path)
    if kind not in {"raw", "vmdk"}:
        raise UnsupportedError(
            f"{artifact}: a disk packed as {kind} cannot be started where it lies",
            hint="unpack it, and start the disk that was in it",
        )
    source = _block_device(path, kind, 0, path.stat().st_size)
    return Machine(path.stem, source, kind, "bios" if legacy else "efi")


def make_overlay(machine: Machine, path: Path) -> None:
    """Make the file that takes what the guest writes; the artifact is only read."""
    argv = ["-q", "-f", "qcow2", "-b", machine.source, "-F", machine.source_format]
    run_tool([find_tool("qemu-img", hint=_INSTALL), "create", *argv, path])


def write_overlay(path: Path, pieces: dict[int, bytes], scratch: Path) -> None:
    """Write pieces, by their offset, to an overlay before the guest starts."""
    commands = []
    for number, (offset, piece) in enumerate(sorted(pieces.items())):
        part = scratch / f"piece-{number}"
        part.write_bytes(piece)
        commands += ["-c", f"write -q -s {part} {offset} {len(piece)}"]
    run_tool([find_tool("qemu-io", hint=_INSTALL), "-f", "qcow2", *commands, path])


def format_arguments(machine: Machine, setting: Setting, folder: Path) -> list[str]:
    """Return QEMU's command line; its sockets and the overlay lie in ``folder``."""
    cpu = "host" if setting.accelerator == "kvm" else "max,la57=off"
    drive = f"if=none,id=disk,file={folder / 'overlay.qcow2'},format=qcow2,cache=unsafe"
    return [
        find_tool("qemu-system-x86_64", hint=_INSTALL),
        *("-nodefaults", "-no-user-config", "-name", _escaped(machine.name)),
        *("-machine", "pc", "-accel", setting.accelerator, "-cpu", cpu),
        *("-m", str(machine.memory_mib), "-smp", str(machine.cpus), "-rtc", "base=utc"),
        *_firmware(machine.firmware, folder),
        *("-drive", drive, *_CONTROLLERS[machine.firmware]),
        *_network(machine, setting),
        *("-device", "VGA"),
        *("-qmp", f"unix:{folder / 'monitor'},server=on,wait=off"),
    ]


def on_socket(folder: Path) -> list[str]:
    """Return the arguments for a serial console on a socket, with nothing lost before we come."""
    log = f"logfile={folder / 'console.log'}"
    chardev = f"socket,id=console,path={folder / 'console'},server=on,wait=on,{log}"
    return ["-display", "none", "-chardev", chardev, "-serial", "chardev:console"]


def on_terminal() -> list[str]:
    """Return the arguments for a serial console on our terminal; Ctrl-A X ends the machine."""
    return ["-display", "none", "-serial", "mon:stdio"]


def _appliance(path: Path) -> Machine:
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
        return Machine(
            name=envelope.name or path.stem,
            source=source,
            source_format="vmdk",
            firmware=firmware,
            cpus=envelope.cpus or 1,
            memory_mib=envelope.memory_mib or _DEFAULT_MEMORY_MIB,
            adapters=tuple(known + ["vmxnet3"] * len(unknown)),
            notes=tuple(notes),
        )


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


def _firmware(firmware: Firmware, folder: Path) -> Iterator[str]:
    """Yield the arguments for UEFI; BIOS is QEMU's own."""
    if firmware == "bios":
        return
    for code, variables in _CODE_AND_VARIABLES:
        if Path(code).exists() and Path(variables).exists():
            own = folder / "variables.fd"
            own.write_bytes(Path(variables).read_bytes())
            yield from ("-drive", f"if=pflash,format=raw,readonly=on,file={code}")
            yield from ("-drive", f"if=pflash,format=raw,file={own}")
            return
    raise ToolError("UEFI for virtual machines is not installed", hint="apt install ovmf")


def _network(machine: Machine, setting: Setting) -> Iterator[str]:
    """Yield the arguments for the adapters; the first is the one with forwards."""
    around = setting.network
    for number, adapter in enumerate(machine.adapters):
        options = [f"user,id=net{number}"]
        if number == 0:
            given = {"net": around.net, "host": around.host, "dns": around.dns}
            options += [f"{key}={value}" for key, value in given.items() if value]
            options += [
                f"hostfwd={each.protocol}:127.0.0.1:{each.host}-{around.guest}:{each.guest}"
                for each in setting.forwards
            ]
        yield from ("-netdev", ",".join(options))
        # Without its own ROM no adapter is tried for booting.
        yield from ("-device", f"{adapter},netdev=net{number},romfile=")


def _escaped(text: str) -> str:
    """Return a text as a value in QEMU's comma-separated lists."""
    return text.replace(",", ",,")
