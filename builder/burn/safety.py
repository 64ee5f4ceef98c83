"""What must not be written, or not without more being said: every refusal, as a sentence.

The rules are numbered as in docs/adr/0014-burning.md. Nothing here opens a device; what can only
be known from an open one (is it still the same, is it as large as it says) is asked later.
"""

from collections.abc import Iterator
from pathlib import Path

from builder.burn.backing import Backing, Use
from builder.burn.devices import Device, format_size
from builder.errors import DeviceError
from builder.structs import Struct

_SYSTEM_POINTS = frozenset({"/", "/usr", "/var", "/home", "/boot", "/efi"})
_LIST = "photon-builder devices lists what can be written"


class Permits(Struct, frozen=True):
    """What the user has said on the command line.

    Attributes:
        allow_fixed: A disk that cannot be carried away may be written.
        allow_loop: A loop device may be written: to try an image, and for tests.
        serial: The serial number that the device must have; empty: any.
        size: The size in bytes that it must have, give or take 2 %; zero: any.
        unmount: Its filesystems may be unmounted.
    """

    allow_fixed: bool = False
    allow_loop: bool = False
    serial: str = ""
    size: int = 0
    unmount: bool = False


class Refusal(Struct, frozen=True):
    """Why a device is not written.

    Attributes:
        text: A sentence without its subject: it follows the device's path and a colon.
        hint: What to do.
        is_final: Whether no option lifts it.
    """

    text: str
    hint: str = ""
    is_final: bool = True


def check(refusals: Iterator[Refusal], device: Device) -> None:
    """Complain about the first refusal, and add the others.

    Raises:
        DeviceError: there is one.
    """
    first = next(refusals, None)
    if first is None:
        return
    error = DeviceError(f"{device.path}: {first.text}", hint=first.hint)
    for other in refusals:
        error.add_note(other.text)
    raise error


def refusals(device: Device, backing: Backing, permits: Permits) -> Iterator[Refusal]:
    """Yield every reason against writing a device that is known before it is opened."""
    yield from _unfit(device, permits)
    yield from _system_uses(device, backing)
    yield from _unnamed(device, permits)
    yield from _mounted(device, backing, permits)


def source_refusals(device: Device, backing: Backing, paths: dict[str, Path]) -> Iterator[Refusal]:
    """Yield the things of ours that are stored on a device: what is read cannot be written over.

    Args:
        device: The target.
        backing: What rests on what.
        paths: What each path is for, and the path.
    """
    for what, path in paths.items():
        if backing.file_of(device.name) == str(path.resolve()):
            yield Refusal(f"{what} {path} is the file behind it", "copy it to another file first")
        if device.name in backing.disks_of_path(str(path.resolve())):
            yield Refusal(f"{what} {path} is stored on it", "copy it to another disk first")


def mounts_of(device: Device, backing: Backing) -> list[Use]:
    """Return what is mounted from a device."""
    return [use for use in backing.uses_of(device.name) if use.point]


def _unfit(device: Device, permits: Permits) -> Iterator[Refusal]:
    """Yield why a device is nothing to write to, whoever needs it."""
    if device.special and not (device.is_loop and permits.allow_loop):
        lift = device.is_loop
        hint = "--allow-loop, to try an image without a card" if lift else _LIST
        yield Refusal(f"is {device.special}", hint, is_final=not lift)
    if device.size == 0:
        yield Refusal("has no medium in it: its size is zero", "insert a card")
    if device.is_read_only:
        yield Refusal("is read-only", "move the little slider of the card, or its adapter")


def _system_uses(device: Device, backing: Backing) -> Iterator[Refusal]:
    """Yield what this machine needs a device for; no option helps against that."""
    uses = list(backing.uses_of(device.name))
    for use in uses:
        if not use.point:
            yield Refusal(f"this system swaps to {use.name} on it", _LIST)
        elif _is_system(use.point):
            yield Refusal(f"this system runs from it: {use.name} is mounted at {use.point}", _LIST)
    if held := backing.holders_of(device.name):
        names = ", ".join(held)
        yield Refusal(
            f"is part of {names}", "stop that first: cryptsetup close, vgchange -an, mdadm --stop"
        )


def _is_system(point: str) -> bool:
    """Tell the mount points that a running system cannot do without."""
    return point in _SYSTEM_POINTS or point.startswith(("/boot/", "/efi/"))


def _unnamed(device: Device, permits: Permits) -> Iterator[Refusal]:
    """Yield what the user has not said of a device, or said of another."""
    if permits.serial and permits.serial != device.serial:
        found = f"is {device.serial}" if device.serial else "is not known"
        yield Refusal(f"its serial number {found}; wanted {permits.serial}", _LIST)
    if permits.size and abs(device.size - permits.size) * 50 > permits.size:
        size, wanted = format_size(device.size), format_size(permits.size)
        yield Refusal(f"it has {size}; wanted {wanted}, give or take 2 %", _LIST)
    if not device.is_removable and not (permits.allow_fixed and permits.serial):
        serial = f" --expect-serial {device.serial}" if device.serial else ""
        yield Refusal(
            f"is a fixed disk ({device.transport}): it cannot be taken out of this machine",
            f"if it is meant all the same: --allow-fixed-disk{serial}"
            if serial
            else "it has no serial number to name it by, so it cannot be written",
            is_final=not serial,
        )


def _users(use: Use, backing: Backing) -> str:
    """Return who has something open there, in brackets."""
    users = backing.users_of(use.point)
    return f" [used by {users}]" if users else ""


def _mounted(device: Device, backing: Backing, permits: Permits) -> Iterator[Refusal]:
    """Yield the filesystems that somebody is using."""
    points = [use for use in mounts_of(device, backing) if not _is_system(use.point)]
    if points and not permits.unmount:
        where = ", ".join(f"{use.name} at {use.point}{_users(use, backing)}" for use in points)
        yield Refusal(f"is mounted: {where}", "--unmount, or umount it", is_final=False)
