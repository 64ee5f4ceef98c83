"""The host's block devices, and what the kernel reports about each.

Sources: sysfs(5), proc(5); the kernel's ``Documentation/ABI/stable/sysfs-block``, and
``drivers/mmc/core/bus.c`` for the type of a card; SPC-4, 7.8.15, for the page with
a SCSI disk's serial number. Sizes in sysfs are sectors of 512 bytes, whatever the device has.

Does not open a device; :mod:`builder.burn.confirm` reads what is on one.
"""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from builder.formats.disk import SECTOR
from builder.sizes import format_label_size
from builder.structs import Struct

_USB = re.compile(r"usb\d+")
_SPECIAL = (
    (re.compile(r"loop\d+"), "a loop device"),
    (re.compile(r"zram\d+"), "compressed memory"),
    (re.compile(r"ram\d+"), "a RAM disk"),
    (re.compile(r"sr\d+"), "an optical drive"),
    (re.compile(r"fd\d+"), "a floppy drive"),
    (re.compile(r"nbd\d+"), "a network block device"),
    (re.compile(r"dm-\d+"), "a mapping (LVM, LUKS or multipath), not a disk"),
    (re.compile(r"md\d+|md_\w+"), "a RAID array, not a disk"),
    (re.compile(r"mmcblk\d+boot\d+"), "the boot area of an eMMC"),
    (re.compile(r"mmcblk\d+rpmb"), "the replay-protected area of an eMMC"),
)
_PAGE_HEADER = 4


class SystemRoot(Struct, frozen=True):
    """Where ``/sys``, ``/proc`` and ``/dev`` are read: the host, or a directory with a copy.

    Attributes:
        root: The directory that stands for ``/``.
    """

    root: Path = Path("/")

    @property
    def blocks(self) -> Path:
        """Folder with a link for every block device, partitions included."""
        return self.root / "sys/class/block"

    @property
    def proc(self) -> Path:
        """Folder of procfs."""
        return self.root / "proc"

    @property
    def dev(self) -> Path:
        """Folder of the device nodes."""
        return self.root / "dev"

    def below(self, path: str) -> Path:
        """Return an absolute path of the system below the root."""
        return self.root / path.lstrip("/")


def read_attribute(path: Path) -> str:
    """Return a file's text without its newline; empty when it is missing or unreadable."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def read_number(path: Path) -> int:
    """Return the number in a file, zero for none."""
    text = read_attribute(path)
    return int(text) if text.isascii() and text.isdigit() else 0


class Device(Struct, frozen=True):
    """A whole block device.

    Attributes:
        name: As the kernel calls it, such as ``sdb``.
        number: Major and minor, such as ``8:16``.
        size: Bytes.
        sector: Smallest unit of a direct write, bytes.
        model: Vendor and model, cleaned for a terminal.
        serial: Serial number of the disk or the card; empty when unknown.
        wwn: World-wide name; empty when unknown.
        transport: ``USB``, ``SD``, ``eMMC``, ``NVMe``, ``SATA``, ``SCSI``, ``virtio``, ``loop`` …
        special: What it is when it is not a disk; empty for a disk.
        is_removable: Whether it is removable or hot-pluggable.
        is_read_only: Whether the kernel refuses writes.
        diskseq: Increases when another disk appears under this name; zero when unknown.
        partitions: Names of its partitions.
    """

    name: str
    number: str
    size: int
    sector: int
    model: str
    serial: str
    wwn: str
    transport: str
    special: str
    is_removable: bool
    is_read_only: bool
    diskseq: int
    partitions: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Path of its device node."""
        return Path("/dev", self.name.replace("!", "/"))

    @property
    def is_loop(self) -> bool:
        """Whether it is a loop device."""
        return self.transport == "loop"

    def describe(self) -> str:
        """Return what identifies it to a user, always in the same order."""
        serial = f"serial …{self.serial[-4:]}" if self.serial else "no serial number"
        parts = (str(self.path), self.model, format_label_size(self.size), self.transport, serial)
        return "  ".join(part for part in parts if part)


def iter_devices(system: SystemRoot) -> Iterator[Device]:
    """Yield every whole block device by name, also those without a medium."""
    for path in sorted(_entries(system.blocks), key=lambda entry: _natural(entry.name)):
        if not (path / "partition").exists():
            yield read_device(system, path.name)


def read_device(system: SystemRoot, name: str) -> Device:
    """Return the kernel's attributes of one whole device."""
    path = (system.blocks / name).resolve()
    transport = _transport(path, name)
    return Device(
        name=name,
        number=read_attribute(path / "dev"),
        size=read_number(path / "size") * SECTOR,
        sector=read_number(path / "queue/logical_block_size") or SECTOR,
        model=_model(path),
        serial=_serial(path),
        wwn=read_attribute(path / "wwid") or read_attribute(path / "device/wwid"),
        transport=transport,
        special=_special(path, name),
        is_removable=_is_removable(path, transport),
        is_read_only=read_attribute(path / "ro") == "1",
        diskseq=read_number(path / "diskseq"),
        partitions=tuple(
            sorted((e.name for e in _entries(path) if (e / "partition").exists()), key=_natural)
        ),
    )


def clean(text: str) -> str:
    """Return a vendor's text without control and bidirectional characters."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join(kept.split())


def _transport(path: Path, name: str) -> str:
    """Return how a device is attached, from its place in the tree of devices."""
    parts = path.parts
    if name.startswith("mmcblk"):
        return "SD" if read_attribute(path / "device/type") == "SD" else "eMMC"
    if any(_USB.fullmatch(part) for part in parts):
        return "USB"
    if name.startswith("loop"):
        return "loop"
    for prefix, word in (("nvme", "NVMe"), ("ata", "SATA"), ("virtio", "virtio")):
        if any(re.fullmatch(rf"{prefix}\d+", part) for part in parts):
            return word
    return "virtual" if "virtual" in parts else "SCSI" if name.startswith("sd") else "unknown"


def _is_removable(path: Path, transport: str) -> bool:
    """Return whether a device is removable: an eMMC and a hot-pluggable NVMe are not."""
    return read_attribute(path / "removable") == "1" or transport in {"USB", "SD", "loop"}


def _special(path: Path, name: str) -> str:
    """Return what a device is when it is not a disk."""
    for pattern, what in _SPECIAL:
        if pattern.fullmatch(name):
            return what
    return "a virtual device, not a disk" if "virtual" in path.parts else ""


def _model(path: Path) -> str:
    """Return vendor and model, or the name of a card."""
    vendor = read_attribute(path / "device/vendor")
    model = read_attribute(path / "device/model") or read_attribute(path / "device/name")
    numeric = vendor.startswith("0x")  # a PCI number, not a name
    return clean(f"{'' if numeric else vendor} {model}")


def _serial(path: Path) -> str:
    """Return the serial number of the disk, else of its SCSI page, else of its USB device."""
    for attribute in ("serial", "device/serial", "device/cid"):
        if found := clean(read_attribute(path / attribute)):
            return found
    return _scsi_serial(path / "device/vpd_pg80") or _usb_serial(path)


def _scsi_serial(path: Path) -> str:
    try:
        page = path.read_bytes()
    except OSError:
        return ""
    return clean(page[_PAGE_HEADER:].decode("ascii", "replace"))


def _usb_serial(path: Path) -> str:
    if not any(_USB.fullmatch(part) for part in path.parts):
        return ""
    for parent in path.parents:
        if (parent / "idVendor").exists():
            return clean(read_attribute(parent / "serial"))
    return ""


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _natural(name: str) -> tuple[str, int, str]:
    """Return a sort key: sda9 before sda10, sdz before sdaa."""
    found = re.fullmatch(r"(.*?)(\d*)", name)
    stem, digits = found.groups() if found else (name, "")
    return f"{len(stem):04d}{stem}", int(digits or 0), name
