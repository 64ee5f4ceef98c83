"""Machines made of directories: sysfs and procfs as Linux shows them, for disks that are not here.

The shapes are those that Linux 6.1 shows on real machines: the links of ``/sys/class/block``, the
place of each device in ``/sys/devices``, and which attributes it has.
"""

from dataclasses import dataclass, field
from pathlib import Path

from builder.burn.devices import Device, SystemRoot, read_device
from builder.burn.options import BurnOptions
from builder.burn.safety import refusals
from builder.burn.usage import DeviceUsage

GB = 10**9
PCI = "pci0000:00/0000:00:14.0"
USB = f"{PCI}/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block"
SATA = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block"
NVME = "pci0000:00/0000:01:00.0/nvme/nvme0"
MMC = "platform/soc/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block"
VIRTUAL = "virtual/block"


@dataclass
class Machine:
    """A machine under construction."""

    root: Path
    minor: int = 0
    mounts: list[str] = field(default_factory=list)

    @property
    def system(self) -> SystemRoot:
        return SystemRoot(self.root)

    def disk(self, name: str, where: str, size: int = 32 * GB, **attributes: str) -> Path:
        """Add a whole block device; attributes may lie in folders, with ``__`` for a slash."""
        folder = self._block(self.root / "sys/devices" / where / name, size)
        self.write(folder, removable="0", queue__logical_block_size="512", diskseq="7")
        self.write(folder, **attributes)
        return folder

    def part(self, disk: Path, number: int, size: int = GB) -> Path:
        """Add a partition."""
        joint = "p" if disk.name[-1].isdigit() else ""
        folder = self._block(disk / f"{disk.name}{joint}{number}", size)
        self.write(folder, partition=str(number))
        return folder

    def mapping(self, name: str, title: str, *below: Path) -> Path:
        """Add a mapping or an array over other block devices."""
        folder = self.disk(name, VIRTUAL, GB)
        if title:
            self.write(folder, dm__name=title)
            link = self.root / "dev/mapper" / title
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../{name}")
        for under in below:
            (folder / "slaves" / under.name).mkdir(parents=True)
            (under / "holders" / name).mkdir(parents=True, exist_ok=True)
        return folder

    def mount(
        self, point: str, device: Path | str, kind: str = "ext4", source: str = "", more: str = "rw"
    ) -> None:
        """Mount a block device, or a number that has none."""
        number = device if isinstance(device, str) else (device / "dev").read_text().strip()
        source = source or (f"/dev/{device.name}" if isinstance(device, Path) else "none")
        point = point.replace(" ", "\\040")
        line = f"{len(self.mounts) + 20} 1 {number} / {point} rw,relatime shared:1 - "
        self.mounts.append(f"{line}{kind} {source} {more}\n")
        path = self.root / "proc/self/mountinfo"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(self.mounts))

    def swap(self, *paths: str) -> None:
        """Swap to partitions or files."""
        path = self.root / "proc/swaps"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{one:<40}partition\t1024\t0\t-2\n" for one in paths)
        path.write_text(f"Filename\t\t\tType\t\tSize\t\tUsed\t\tPriority\n{rows}")

    def write(self, folder: Path, **attributes: str) -> None:
        """Write attributes of a device."""
        for name, value in attributes.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")

    def device(self, name: str) -> Device:
        """Read a device as the program does."""
        return read_device(self.system, name)

    def refused(self, name: str, permits: BurnOptions | None = None) -> list[str]:
        """Return what speaks against writing a device."""
        found = refusals(self.device(name), DeviceUsage(self.system), permits or BurnOptions())
        return [each.text for each in found]

    def _block(self, folder: Path, size: int) -> Path:
        """Add a block device and its link."""
        self.minor += 1
        (folder / "holders").mkdir(parents=True)
        self.write(folder, dev=f"8:{self.minor}", size=str(size // 512), ro="0")
        links = self.root / "sys/class/block"
        links.mkdir(parents=True, exist_ok=True)
        (links / folder.name).symlink_to(folder)
        return folder


def stick(machine: Machine, name: str = "sdb", size: int = 32 * GB) -> Path:
    """Add a USB stick with two partitions."""
    machine.write(machine.root / "sys/devices" / PCI / "usb2/2-1", idVendor="0781", serial="4C53")
    disk = machine.disk(
        name, USB, size, removable="1", device__vendor="SanDisk ", device__model="Ultra\x1b[31m"
    )
    machine.part(disk, 1)
    machine.part(disk, 2)
    return disk
