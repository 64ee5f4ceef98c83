"""The command line of QEMU for a virtual machine, its overlay disk, and the choice of KVM or TCG.

Source: QEMU's "Invocation" manual and its documentation of the ``pc`` and ``virt`` machines. A
disk inside an archive is read in place; everything the guest writes goes to a temporary overlay.
VMware's devices exist in QEMU too: pvscsi, under BIOS, and vmxnet3. Secure Boot is not supported.

``/dev/kvm`` may be accessible while no guest runs, inside another virtual machine for instance. So
a boot sector of three instructions is tried first; it ends QEMU through the ``isa-debug-exit``
device, whose exit status is twice the written value plus one.
"""

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from builder.boot.machine import Accelerator, Architecture, StartOptions, VirtualMachine
from builder.errors import ToolError
from builder.formats.disk import GIB
from builder.formats.foreign import find_tool, run_tool

INSTALL = "install QEMU: apt install qemu-system-x86 qemu-utils ovmf, or brew install qemu"
EMPTY_DISK_SIZE = 16 * GIB
"""Size of the empty disk for an installation medium, bytes; as Photon's published disks."""

_INSTALL_ARM = "apt install qemu-system-arm qemu-efi-aarch64, or brew install qemu"
_CODE_AND_VARIABLES: Mapping[Architecture, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "x86_64": (
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
            ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
            ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
            *(
                (f"{share}/edk2-x86_64-code.fd", f"{share}/edk2-i386-vars.fd")
                for share in ("/opt/homebrew/share/qemu", "/usr/local/share/qemu")
            ),
        ),
        "aarch64": (
            ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
            ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
             "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
            *(
                (f"{share}/edk2-aarch64-code.fd", f"{share}/edk2-arm-vars.fd")
                for share in ("/opt/homebrew/share/qemu", "/usr/local/share/qemu")
            ),
        ),
    }
)  # fmt: skip
"""Paths of the UEFI firmware and its empty variables in distributions."""
_SCSI = ("-device", "pvscsi,id=scsi", "-device", "scsi-hd,bus=scsi.0,drive=disk,bootindex=1")
_SATA = ("-device", "ahci,id=sata", "-device", "ide-hd,bus=sata.0,drive=disk,bootindex=1")
_NVME = ("-device", "nvme,serial=disk,drive=disk,bootindex=1")
_VIRTIO = ("-device", "virtio-blk-pci,drive=disk,bootindex=1")
_KVM = Path("/dev/kvm")
_PORT = 0xF4
_WORD = 0x21
_TRIAL_SECONDS = 4.0
# mov al, _WORD; out _PORT, al; hlt
_SECTOR = bytes((0xB0, _WORD, 0xE6, _PORT, 0xF4)).ljust(510, b"\0") + b"\x55\xaa"


def choose_accelerator(architecture: Architecture = "x86_64") -> Accelerator:
    """Return KVM when a guest runs under it, else emulation.

    Only tried on x86_64, for which the boot sector is written.
    """
    is_own = architecture == platform.machine() == "x86_64"
    if not is_own or not os.access(_KVM, os.R_OK | os.W_OK):
        return "tcg"
    return "kvm" if runs_guests("kvm") else "tcg"


def runs_guests(accelerator: Accelerator, *, seconds: float = _TRIAL_SECONDS) -> bool:
    """Return whether the boot sector runs to its end within that time."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as disk:
        disk.write(_SECTOR)
        disk.flush()
        argv = [
            find_tool("qemu-system-x86_64"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "pc", "-accel", accelerator, "-m", "16"),
            *("-drive", f"file={disk.name},format=raw,if=ide,snapshot=on"),
            *("-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1"),
        ]
        try:
            run_tool(argv, seconds=seconds, accept=(2 * _WORD + 1,))
        except ToolError:
            return False
    return True


def make_overlay(machine: VirtualMachine, path: Path) -> None:
    """Create the overlay that takes the guest's writes; the artifact is only read."""
    below = ["-b", machine.source, "-F", machine.source_format] if machine.source else []
    size = [] if machine.source else [str(EMPTY_DISK_SIZE)]
    argv = [find_tool("qemu-img", hint=INSTALL), "create", "-q", "-f", "qcow2"]
    run_tool([*argv, *below, path, *size])


def write_overlay(path: Path, blocks: dict[int, bytes], scratch: Path) -> None:
    """Write blocks, by their offset, to an overlay before the guest starts."""
    commands = []
    for number, (offset, block) in enumerate(sorted(blocks.items())):
        part = scratch / f"block-{number}"
        part.write_bytes(block)
        commands += ["-c", f"write -q -s {part} {offset} {len(block)}"]
    run_tool([find_tool("qemu-io", hint=INSTALL), "-f", "qcow2", *commands, path])


def format_arguments(machine: VirtualMachine, setting: StartOptions, folder: Path) -> list[str]:
    """Return QEMU's command line; its sockets and the overlay are in ``folder``."""
    disk, kind = setting.disk or folder / "overlay.qcow2", "raw" if setting.disk else "qcow2"
    drive = f"if=none,id=disk,file={_escaped(str(disk))},format={kind},cache=unsafe"
    return [
        *_board(machine, setting),
        *("-nodefaults", "-no-user-config", "-name", _escaped(machine.name)),
        *("-m", str(machine.memory_mib), "-smp", str(machine.cpus), "-rtc", "base=utc"),
        *_firmware(machine, folder),
        *("-drive", drive, *_controller(machine)),
        *_medium(machine),
        *_network(machine, setting),
        *(["-no-reboot"] if setting.ends_at_restart else []),
        *("-qmp", f"unix:{folder / 'monitor'},server=on,wait=off"),
    ]


def on_socket(folder: Path) -> list[str]:
    """Return the arguments for a serial console on a socket; QEMU waits for the connection."""
    log = f"logfile={folder / 'console.log'}"
    chardev = f"socket,id=console,path={folder / 'console'},server=on,wait=on,{log}"
    return ["-display", "none", "-chardev", chardev, "-serial", "chardev:console"]


def on_terminal() -> list[str]:
    """Return the arguments for a serial console on the terminal; Ctrl-A X ends the machine."""
    return ["-display", "none", "-serial", "mon:stdio"]


def _board(machine: VirtualMachine, setting: StartOptions) -> list[str]:
    cpu = setting.cpu or ("host" if setting.accelerator == "kvm" else "")
    if machine.architecture == "aarch64":
        program = find_tool("qemu-system-aarch64", hint=_INSTALL_ARM)
        # The processor of the Raspberry Pi 4; "max" costs twice the time.
        return [program, "-machine", "virt", "-accel", setting.accelerator,
                "-cpu", cpu or "cortex-a72", "-device", "virtio-gpu-pci"]  # fmt: skip
    program = find_tool("qemu-system-x86_64", hint=INSTALL)
    return [program, "-machine", "pc", "-accel", setting.accelerator,
            "-cpu", cpu or "max,la57=off", "-device", "VGA"]  # fmt: skip


def _controller(machine: VirtualMachine) -> tuple[str, ...]:
    """Return the disk's controller, which decides its name in the guest."""
    by_name = {"nvme": _NVME, "vd": _VIRTIO}
    found = next((by_name[name] for name in by_name if machine.disk.startswith(name)), None)
    if found is not None:
        return found
    if machine.architecture == "aarch64":
        return _VIRTIO
    # QEMU's BIOS supports pvscsi, the UEFI of distributions does not.
    return _SCSI if machine.firmware == "bios" else _SATA


def _medium(machine: VirtualMachine) -> Iterator[str]:
    """Yield the arguments for an installation medium, tried after the disk."""
    if not machine.medium:
        return
    file = f"if=none,id=medium,media=cdrom,readonly=on,format=raw,file={_escaped(machine.medium)}"
    yield from ("-drive", file)
    if machine.architecture == "aarch64":
        yield from ("-device", "virtio-scsi-pci,id=optical")
        yield from ("-device", "scsi-cd,bus=optical.0,drive=medium,bootindex=2")
    else:
        yield from ("-device", "ide-cd,bus=ide.0,drive=medium,bootindex=2")


def _firmware(machine: VirtualMachine, folder: Path) -> Iterator[str]:
    """Yield the arguments for UEFI; BIOS is the default."""
    if machine.firmware == "bios":
        return
    for code, variables in _CODE_AND_VARIABLES[machine.architecture]:
        if Path(code).exists() and Path(variables).exists():
            own = folder / "variables.fd"
            own.write_bytes(Path(variables).read_bytes())
            yield from ("-drive", f"if=pflash,format=raw,readonly=on,file={code}")
            yield from ("-drive", f"if=pflash,format=raw,file={own}")
            return
    hint = "apt install ovmf" if machine.architecture == "x86_64" else _INSTALL_ARM
    raise ToolError("UEFI for virtual machines is not installed", hint=hint)


def _network(machine: VirtualMachine, setting: StartOptions) -> Iterator[str]:
    """Yield the arguments for the adapters; the first has the port forwards."""
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
        # Without a ROM no adapter is tried for booting.
        yield from ("-device", f"{adapter},netdev=net{number},romfile=")


def _escaped(text: str) -> str:
    return text.replace(",", ",,")
