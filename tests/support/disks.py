"""Raw disks with the partitions that Photon's images have, and some that they never had."""

import os
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.formats.disk import MIB, SECTOR
from tests.support.ext4_image import Region, make_ext4
from tests.support.judges import judge, require
from tests.support.photon_releases import Placement
from tests.support.tree import TreeFolder, text

_FIRST: Final = MIB
_SPARE: Final = 34 * SECTOR
"""Bytes that the second partition table takes at the end of a disk."""
_NAMES: Final = uuid.UUID("5d1ea7a5-9b0f-4a86-8f0e-6f4b65d3a1c9")


@dataclass(frozen=True, slots=True)
class Slice:
    """One partition of a layout.

    Attributes:
        code: sgdisk's type code.
        filesystem: ``ext4``, ``vfat``, ``xfs``, ``btrfs``, ``lvm``, or nothing.
        mount: Mount point in the guest, or nothing.
        size: Length in bytes; zero takes the rest of the disk.
    """

    code: str
    filesystem: str = ""
    mount: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class DiskLayout:
    """A partitioning.

    Attributes:
        name: For file names and messages.
        slices: The partitions, in the order of the disk.
    """

    name: str
    slices: tuple[Slice, ...]

    def partition_uuid(self, number: int) -> str:
        """Return the PARTUUID of partition ``number``, lower case."""
        return str(uuid.uuid5(_NAMES, f"{self.name} partition {number}"))

    def filesystem_uuid(self, number: int) -> str:
        """Return the UUID of the filesystem on partition ``number``."""
        return str(uuid.uuid5(_NAMES, f"{self.name} filesystem {number}"))

    def placement(self) -> Placement:
        """Return how fstab and GRUB address the root."""
        numbered = {each.mount: number for number, each in enumerate(self.slices, 1) if each.mount}
        others = tuple(
            (self.partition_uuid(number), mount, self.slices[number - 1].filesystem)
            for mount, number in numbered.items()
            if mount != "/"
        )
        boot = numbered.get("/boot", numbered["/"])
        return Placement(self.partition_uuid(numbered["/"]), self.filesystem_uuid(boot), others)

    def extents(self, disk_size: int) -> list[tuple[int, int]]:
        """Return offset and size in bytes of each partition on a disk of that size."""
        found = []
        start = _FIRST
        for each in self.slices:
            size = each.size or (disk_size - _SPARE - start) // MIB * MIB
            found.append((start, size))
            start += size
        return found


_BIOS: Final = Slice("ef02", size=4 * MIB)
_ESP: Final = Slice("ef00", "vfat", "/boot/efi", 10 * MIB)
_ROOT: Final = Slice("8300", "ext4", "/")

LAYOUTS: Final = {
    layout.name: layout
    for layout in (
        DiskLayout("ova", (_BIOS, _ESP, _ROOT)),
        DiskLayout("ova_uefi", (_ESP, _ROOT)),
        DiskLayout("ova_ga", (Slice("ef02", size=8 * MIB), _ROOT)),
        DiskLayout("separate_boot", (_BIOS, _ESP, Slice("8300", "ext4", "/boot", 16 * MIB), _ROOT)),
        DiskLayout(
            "separate_root_home", (_BIOS, _ESP, Slice("8300", "ext4", "/root", 8 * MIB), _ROOT)
        ),
        DiskLayout("xfs", (_BIOS, _ESP, Slice("8300", "xfs", "/"))),
        DiskLayout("btrfs", (_BIOS, _ESP, Slice("8300", "btrfs", "/"))),
        DiskLayout("lvm", (_BIOS, _ESP, Slice("8e00", "lvm", "/"))),
    )
}
"""Layouts by name; ``ova``, ``ova_uefi`` and ``ova_ga`` are Photon's own."""


def make_disk(
    path: Path, layout: DiskLayout, size: int, root: TreeFolder, mke2fs: tuple[str, ...] = ()
) -> None:
    """Make a sparse raw disk of ``size`` bytes at ``path`` that boots ``root``'s tree.

    Directories of ``root`` that are mount points of ext4 partitions move to those.
    """
    with path.open("wb") as stream:
        stream.truncate(size)
    _partition(path, layout, size)
    extents = layout.extents(size)
    for number, (each, (offset, length)) in enumerate(zip(layout.slices, extents, strict=True), 1):
        uuid_of = layout.filesystem_uuid(number)
        match each.filesystem:
            case "ext4":
                tree = root if each.mount == "/" else _split(root, each.mount)
                options = mke2fs if each.mount == "/" else ()
                make_ext4(Region(path, offset, length), tree, uuid=uuid_of, options=options)
            case "vfat":
                _make_esp(path, offset, length, layout.placement().boot_uuid)
            case "":
                pass
            case other:
                _FOREIGN[other](path, offset, length, uuid_of)


def _partition(path: Path, layout: DiskLayout, size: int) -> None:
    """Write the partition table."""
    arguments = [f"--disk-guid={uuid.uuid5(_NAMES, layout.name)}"]
    extents = layout.extents(size)
    for number, (each, (offset, length)) in enumerate(zip(layout.slices, extents, strict=True), 1):
        first, last = offset // SECTOR, (offset + length) // SECTOR - 1
        arguments += [
            f"--new={number}:{first}:{last}",
            f"--typecode={number}:{each.code}",
            f"--partition-guid={number}:{layout.partition_uuid(number)}",
        ]
    judge("sgdisk", "--clear", *arguments, path)


def _split(root: TreeFolder, mount: str) -> TreeFolder:
    """Take what is below a mount point out of the root and return it as a tree of its own."""
    apart = TreeFolder(root.folder.parent / f"{root.folder.name}{mount.replace('/', '-')}")
    (root.folder / mount.lstrip("/")).rename(apart.folder)
    for path in [path for path in root.attributes if path.startswith(f"{mount}/")]:
        apart.attributes[path.removeprefix(mount)] = root.attributes.pop(path)
    apart.attributes["/"] = root.attributes[mount]
    root.add_directory(mount, root.attributes[mount])
    return apart


def _make_esp(disk: Path, offset: int, size: int, boot_uuid: str) -> None:
    """Make the EFI system partition."""
    judge(
        "mkfs.fat", "--invariant", "-F", "16", "-s", "4", "-i", "0F0A11CE",
        f"--offset={offset // SECTOR}", disk, str(size // 1024),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        tree = TreeFolder(Path(name))
        tree.add("/EFI/BOOT/bootx64.efi", text("MZ shim " * 4000))
        tree.add("/EFI/BOOT/grubx64.efi", text("MZ grub " * 9000))
        chain = f"search -n -u {boot_uuid} -s\nset prefix=($root)/boot/grub2\n"
        tree.add("/boot/grub2/grub.cfg", text(f"{chain}configfile /boot/grub2/grub.cfg\n"))
        tree.seal()
        judge(
            "mcopy", "-s", "-m", "-Q", "-i", f"{disk}@@{offset}", f"{name}/EFI", f"{name}/boot",
            "::/", env={"MTOOLS_SKIP_CHECK": "1"},
        )  # fmt: skip


def _copy_into(source: Path, disk: Path, offset: int) -> None:
    """Copy the allocated parts of a file into a disk."""
    with source.open("rb") as reader, disk.open("r+b") as writer:
        end = reader.seek(0, os.SEEK_END)
        place = 0
        while place < end:
            try:
                place = os.lseek(reader.fileno(), place, os.SEEK_DATA)
            except OSError:
                return
            stop = os.lseek(reader.fileno(), place, os.SEEK_HOLE)
            reader.seek(place)
            writer.seek(offset + place)
            while place < stop:
                data = reader.read(min(MIB, stop - place))
                writer.write(data)
                place += len(data)


def _by_tool(disk: Path, offset: int, size: int, command: list[str]) -> None:
    """Let a mkfs write a file of the partition's size, then copy that in."""
    with tempfile.NamedTemporaryFile(dir=disk.parent, suffix=".fs") as scratch:
        scratch.truncate(size)
        subprocess.run([*command, scratch.name], check=True, capture_output=True)
        _copy_into(Path(scratch.name), disk, offset)


def _make_xfs(disk: Path, offset: int, size: int, uuid_of: str) -> None:
    """Make an empty XFS."""
    _by_tool(disk, offset, size, [require("mkfs.xfs"), "-q", "-f", "-m", f"uuid={uuid_of}"])


def _make_btrfs(disk: Path, offset: int, size: int, uuid_of: str) -> None:
    """Make an empty Btrfs."""
    _by_tool(disk, offset, size, [require("mkfs.btrfs"), "-q", "-f", "-U", uuid_of])


def _make_lvm(disk: Path, offset: int, size: int, uuid_of: str) -> None:
    """Write the label of an LVM physical volume, as pvcreate puts it into the second sector.

    pvcreate itself takes block devices only. Header: ``LABELONE``, sector, CRC, offset of the
    content, ``LVM2 001``; then the volume's name in 32 characters and its size.
    """
    body = struct.pack("<I8s", 32, b"LVM2 001") + uuid_of.replace("-", "").encode()
    body = (body + struct.pack("<QQQ", size, MIB, 0)).ljust(SECTOR - 20, b"\0")
    label = struct.pack("<8sQI", b"LABELONE", 1, _lvm_checksum(body)) + body
    with disk.open("r+b") as stream:
        stream.seek(offset + SECTOR)
        stream.write(label)


def _lvm_checksum(body: bytes) -> int:
    """Return LVM's CRC-32: the usual polynomial, its own start value, no final inversion."""
    crc = 0xF597A6CF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc


_FOREIGN: Final[dict[str, Callable[[Path, int, int, str], None]]] = {
    "xfs": _make_xfs,
    "btrfs": _make_btrfs,
    "lvm": _make_lvm,
}
