"""Which device a path names, and every reason against writing it.

The rules are numbered as in docs/adr/0014-burning.md. Nothing here opens a device for writing; what
only an open device shows (is it still the same, is its capacity true) is checked later.

Sources: stat(2), ``st_rdev``; the kernel's ``Documentation/ABI/stable/sysfs-block``; OpenZFS
``module/os/linux/spl/spl-kstat.c``: every imported pool has a folder in ``/proc/spl/kstat/zfs``.
Which pool a disk belongs to is in its label, which only root may read.
"""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from builder.burn.config import iter_protections
from builder.burn.devices import (
    Device,
    SystemRoot,
    clean,
    read_attribute,
    read_device,
)
from builder.burn.options import BurnOptions
from builder.burn.usage import DeviceUsage, DeviceUse
from builder.errors import DeviceError, FormatError
from builder.formats.disk import SECTOR
from builder.formats.partitions import read_partitions
from builder.formats.sparse import SparseDisk
from builder.formats.zfs import iter_labels
from builder.sizes import format_label_size
from builder.structs import Struct

_SYSTEM_POINTS = frozenset({"/", "/usr", "/var", "/home", "/boot", "/efi"})
_LIST = "photon-builder devices lists the devices that can be written"
_OTHER_PROGRAMS = "Raspberry Pi Imager and balenaEtcher write the same image"


class DeviceRefusal(Struct, frozen=True):
    """Why a device is not written.

    Attributes:
        text: A sentence without its subject: it follows the device's path and a colon.
        hint: What to do.
    """

    text: str
    hint: str = ""


def check_platform() -> None:
    """Refuse a platform on which the rules cannot be kept.

    Raises:
        DeviceError: this is not a Linux with its own disks; the hint names other programs.
    """
    if sys.platform == "darwin":
        raise DeviceError(
            "macOS: its disks cannot be identified as reliably as on Linux; burn writes none",
            hint=_OTHER_PROGRAMS,
        )
    if sys.platform != "linux":
        raise DeviceError(f"{sys.platform}: burn runs on Linux only", hint=_OTHER_PROGRAMS)
    if "microsoft" in os.uname().release.lower():
        raise DeviceError(
            "WSL: this Linux sees virtual disks, not the card readers of the Windows below it",
            hint="write the image in Windows: Raspberry Pi Imager, balenaEtcher or Rufus",
        )


def find_device(system: SystemRoot, usage: DeviceUsage, path: Path) -> Device:
    """Return the whole device that a path names; links are followed once, numbers count then.

    Raises:
        DeviceError: the path does not exist, or is not a whole block device.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}; wanted a disk", hint=_LIST) from error
    if not stat.S_ISBLK(status.st_mode):
        is_file = stat.S_ISREG(status.st_mode)
        raise DeviceError(
            f"{path}: {_kind(status.st_mode)}; wanted a disk",
            hint="--to-file writes a file" if is_file else _LIST,
        )
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    name = usage.name_of(number)
    if not name:
        raise DeviceError(f"{path}: the kernel knows no disk {number}", hint=_LIST)
    folder = (system.blocks / name).resolve()
    if (folder / "partition").exists():
        disk = folder.parent.name
        raise DeviceError(
            f"{path}: is partition {read_attribute(folder / 'partition')} of /dev/{disk}; "
            "wanted a whole disk",
            hint=f"an image has partitions of its own: give /dev/{disk}",
        )
    return read_device(system, name)


def check(refusals: Iterator[DeviceRefusal], device: Device) -> None:
    """Raise the first refusal, with the others as notes.

    Raises:
        DeviceError: there is a refusal.
    """
    first = next(refusals, None)
    if first is None:
        return
    error = DeviceError(f"{device.path}: {first.text}", hint=first.hint)
    for other in refusals:
        error.add_note(other.text)
    raise error


def all_refusals(
    device: Device, system: SystemRoot, usage: DeviceUsage, options: BurnOptions
) -> Iterator[DeviceRefusal]:
    """Yield every reason against writing a device that is known before it is opened."""
    yield from refusals(device, usage, options)
    yield from pool_refusals(device, system)
    yield from protected_refusals(device, system)


def refusals(device: Device, usage: DeviceUsage, options: BurnOptions) -> Iterator[DeviceRefusal]:
    """Yield the reasons that the kernel's tables and the options give."""
    yield from _unfit(device, options)
    yield from _system_uses(device, usage)
    yield from _unnamed(device, options)
    yield from _mounted(device, usage, options)


def protected_refusals(device: Device, system: SystemRoot) -> Iterator[DeviceRefusal]:
    """Yield the lines of the user's list of protected disks that match a device."""
    for found in iter_protections(device, system):
        yield DeviceRefusal(
            f"you protected it: {found.path}, line {found.line}: {found.pattern}",
            "remove that line if the disk may be erased after all",
        )


def pool_refusals(device: Device, system: SystemRoot) -> Iterator[DeviceRefusal]:
    """Yield the imported ZFS pools that a disk or one of its partitions belongs to."""
    folder = system.proc / "spl/kstat/zfs"
    pools = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set[str]()
    for pool in sorted(pools & set(_iter_pools(device, system) if pools else ())):
        name = clean(pool)
        yield DeviceRefusal(
            f"is part of the ZFS pool {name}, which is in use",
            f"zpool export {name}, if it may be erased",
        )


def source_refusals(
    device: Device, usage: DeviceUsage, paths: dict[str, Path]
) -> Iterator[DeviceRefusal]:
    """Yield the files of this burn that are stored on the device: the source is not overwritten.

    Args:
        device: The target.
        usage: Which disks are needed for what.
        paths: Role of each path, and the path.
    """
    for what, path in paths.items():
        if usage.file_of(device.name) == str(path.resolve()):
            yield DeviceRefusal(
                f"{what} {path} is the file behind it", "copy it to another file first"
            )
        if device.name in usage.disks_of_path(str(path.resolve())):
            yield DeviceRefusal(f"{what} {path} is stored on it", "copy it to another disk first")


def check_size(device: Device, image_name: str, image_size: int) -> None:
    """Refuse a device that an image does not fit.

    Raises:
        DeviceError: the device is smaller than the image, or has other sectors.
    """
    if device.sector != SECTOR:
        raise DeviceError(
            f"{device.path}: has sectors of {device.sector} bytes, but the partition table of "
            f"{image_name} counts in {SECTOR}",
            hint="it would not boot: use another card or reader",
        )
    if image_size > device.size:
        raise DeviceError(
            f"{device.path}: has {device.size} bytes, but {image_name} needs {image_size}",
            hint="use a larger card",
        )


def mounts_of(device: Device, usage: DeviceUsage) -> list[DeviceUse]:
    """Return the mounts of a device."""
    return [use for use in usage.uses_of(device.name) if use.point]


def _unfit(device: Device, options: BurnOptions) -> Iterator[DeviceRefusal]:
    """Yield why a device cannot be written at all."""
    if device.special and not (device.is_loop and options.allow_loop):
        hint = "--allow-loop, to try an image without a card" if device.is_loop else _LIST
        yield DeviceRefusal(f"is {device.special}", hint)
    if device.size == 0:
        yield DeviceRefusal("has no medium in it: its size is zero", "insert a card")
    if device.is_read_only:
        yield DeviceRefusal("is read-only", "move the lock switch of the card or its adapter")


def _system_uses(device: Device, usage: DeviceUsage) -> Iterator[DeviceRefusal]:
    """Yield what the running system needs a device for; no option lifts that."""
    for use in usage.uses_of(device.name):
        if not use.point:
            yield DeviceRefusal(f"this system swaps to {use.name} on it", _LIST)
        elif _is_system(use.point):
            yield DeviceRefusal(
                f"this system runs from it: {use.name} is mounted at {use.point}", _LIST
            )
    if held := usage.holders_of(device.name):
        yield DeviceRefusal(
            f"is part of {', '.join(held)}",
            "stop that first: cryptsetup close, vgchange -an, mdadm --stop",
        )


def _is_system(point: str) -> bool:
    return point in _SYSTEM_POINTS or point.startswith(("/boot/", "/efi/"))


def _unnamed(device: Device, options: BurnOptions) -> Iterator[DeviceRefusal]:
    """Yield where a device differs from the options, or lacks one that names it."""
    if options.serial and options.serial != device.serial:
        found = f"is {device.serial}" if device.serial else "is not known"
        yield DeviceRefusal(f"its serial number {found}; wanted {options.serial}", _LIST)
    if options.size and abs(device.size - options.size) * 50 > options.size:
        size, wanted = format_label_size(device.size), format_label_size(options.size)
        yield DeviceRefusal(f"it has {size}; wanted {wanted}, within 2 %", _LIST)
    if not device.is_removable and not (options.allow_fixed_disk and options.serial):
        serial = f" --expect-serial {device.serial}" if device.serial else ""
        yield DeviceRefusal(
            f"is a fixed disk ({device.transport}): it is not removable",
            f"to write it anyway: --allow-fixed-disk{serial}"
            if serial
            else "it has no serial number to name it by, so it cannot be written",
        )


def _mounted(device: Device, usage: DeviceUsage, options: BurnOptions) -> Iterator[DeviceRefusal]:
    """Yield the mounted filesystems of a device, with the processes that use them."""
    if options.unmount:
        return
    places = []
    for use in mounts_of(device, usage):
        if not _is_system(use.point):
            users = usage.users_of(use.point)
            places.append(f"{use.name} at {use.point}{f' [used by {users}]' if users else ''}")
    if places:
        yield DeviceRefusal(f"is mounted: {', '.join(places)}", "--unmount, or umount it")


def _iter_pools(device: Device, system: SystemRoot) -> Iterator[str]:
    """Yield the pools that the labels of a disk name."""
    try:
        with system.below(str(device.path)).open("rb", buffering=0) as stream:
            disk = SparseDisk(stream.fileno(), device.size, name=str(device.path))
            try:
                runs = [(part.offset, part.size) for part in read_partitions(disk)]
            except FormatError:
                runs = []
            for offset, size in ((0, disk.size), *runs):
                yield from (pool for _, pool in iter_labels(disk, offset, size))
    except OSError:
        return


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "is a regular file"
    return "is a folder" if stat.S_ISDIR(mode) else "is not a block device"
