"""What has to be typed before a disk is erased, and what the disk holds now.

The name and the size are typed, never just yes. Without a terminal, ``--yes`` is not enough:
something has to name the disk, whatever name the kernel gave it this time. A disk that is large for
the image has to be named as on a terminal.

Contents are read from the partition table and from magic bytes: nothing is mounted, nothing is
opened for writing. What a whole disk is part of (an array, a pool, LVM, LUKS) is shown although
there may be a partition table as well, and of ext4 where it was last mounted (``s_last_mounted``:
kernel, ``Documentation/filesystems/ext4/super.rst``).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.burn.devices import Device, clean
from builder.burn.options import BurnOptions
from builder.errors import DeviceError, FormatError
from builder.formats.disk import SECTOR, Disk, Partition
from builder.formats.ext4 import is_ext4
from builder.formats.fat import is_fat
from builder.formats.partitions import read_partitions
from builder.formats.signatures import iter_signatures
from builder.formats.sparse import SparseDisk
from builder.sizes import format_label_size

_LARGE = 128 * 10**9
_TIMES = 32
_BY_ID = Path("/dev/disk/by-id")
_LAST_MOUNTED = 1024 + 0x88
_LAST_MOUNTED_SIZE = 64


def token(device: Device) -> str:
    """Return the confirmation that has to be typed, such as ``sdb 31.9G``."""
    return f"{device.name} {device.size / 1e9:.1f}G"


def is_large(device: Device, image_size: int) -> bool:
    """Return whether a disk is so large for the image that it may not be a card."""
    return device.size > _LARGE or device.size > _TIMES * image_size


def needs_answer(
    device: Device, path: Path, image_size: int, options: BurnOptions, *, can_ask: bool
) -> bool:
    """Return whether the user has to be asked.

    Args:
        device: The disk.
        path: The same, as the user named it.
        image_size: Size of the disk in the image, bytes.
        options: May confirm the disk in advance.
        can_ask: Whether a user can be asked.

    Raises:
        DeviceError: the options do not confirm the disk, and nobody can be asked.
    """
    if options.confirm:
        check_answer(device, *options.confirm)
        return False
    large = is_large(device, image_size)
    is_pinned = bool(options.serial) or options.size > 0 or _is_by_id(path)
    if options.yes and not large and is_pinned:
        return False
    if can_ask:
        return True
    typed = f"--confirm {token(device)!r}"
    if options.yes and large:
        raise DeviceError(f"{device.path}: is large for this image; --yes is not enough",
                          hint=typed)  # fmt: skip
    if options.yes:
        raise DeviceError(
            f"{device.path}: --yes does not say which disk is meant: kernel names change",
            hint=f"give its {_BY_ID}/ path, --expect-serial, --expect-size, or {typed}",
        )
    raise DeviceError(f"{device.path}: not confirmed: there is no terminal to ask on", hint=typed)


def check_answer(device: Device, *answers: str) -> None:
    """Compare a device with the tokens that were typed, or given in advance.

    Raises:
        DeviceError: none of the tokens names the device.
    """
    if token(device) not in {" ".join(answer.split()) for answer in answers}:
        found = ", ".join(map(repr, answers))
        raise DeviceError(
            f"{device.path}: not confirmed: {found}; wanted {token(device)!r}",
            hint="nothing was written",
        )


def describe_contents(path: Path, size: int) -> str:
    """Return the contents of a device as one line; a question mark when it cannot be read."""
    try:
        with path.open("rb", buffering=0) as stream:
            disk = SparseDisk(stream.fileno(), size, name=str(path))
            return ", ".join(_iter_contents(disk))
    except OSError:
        return "?"


def _is_by_id(path: Path) -> bool:
    """Return whether a path names one disk wherever it is plugged in; ``..`` may name any."""
    return path.parent == _BY_ID and ".." not in path.parts


def _iter_contents(disk: Disk) -> Iterator[str]:
    """Yield what the disk is part of, and what each partition holds."""
    try:
        partitions = read_partitions(disk)
    except FormatError:
        what = _what(disk, 0, disk.size) or _no_partitions(disk)
        yield f"{what}{_last_mounted(disk, 0)}"
        return
    for name, place in iter_signatures(disk, 0, disk.size):
        if not _is_within(place, partitions):
            yield clean(name)
    for part in partitions:
        name = f"{clean(part.name)} " if part.name else f"partition {part.number} "
        what = _what(disk, part.offset, part.size) or "unknown"
        yield f"{name}({what} {format_label_size(part.size)}{_last_mounted(disk, part.offset)})"


def _what(disk: Disk, offset: int, size: int) -> str:
    """Return the known formats in a range, empty for none."""
    found = [clean(name) for name, _ in iter_signatures(disk, offset, size)]
    if is_ext4(disk, offset):
        found.append("ext4")
    elif is_fat(disk, offset):
        found.append("FAT")
    return " and ".join(found)


def _no_partitions(disk: Disk) -> str:
    """Distinguish a disk that was never used from one whose table cannot be read."""
    start = disk.read(0, min(disk.size, 2 * SECTOR))
    return "a partition table that is damaged, or none" if any(start) else "no partitions"


def _last_mounted(disk: Disk, offset: int) -> str:
    """Return where an ext4 filesystem was last mounted, empty when it does not record that."""
    if not is_ext4(disk, offset):
        return ""
    try:
        data = disk.read(offset + _LAST_MOUNTED, _LAST_MOUNTED_SIZE)
    except FormatError:
        return ""
    point = clean(data.partition(b"\0")[0].decode("utf-8", "replace"))
    return f", last mounted at {point}" if point else ""


def _is_within(place: int, partitions: Sequence[Partition]) -> bool:
    return any(part.offset <= place < part.offset + part.size for part in partitions)
