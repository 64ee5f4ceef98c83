"""What a person has to say before a disk is erased: its name and size, never just yes.

Without a terminal, ``--yes`` is not enough: something has to tell which disk is meant, whatever
name the kernel gave it this time. A large disk has to be named as on a terminal.
"""

from pathlib import Path

from builder.burn.devices import Device
from builder.errors import DeviceError
from builder.structs import Struct

_LARGE = 128 * 10**9
_TIMES = 32
_BY_ID = Path("/dev/disk/by-id")


class Said(Struct, frozen=True):
    """What the command line says about meaning it.

    Attributes:
        path: The device as it was given.
        yes: Whether ``--yes`` was given.
        is_pinned: Whether a serial number or a size was expected.
        tokens: What ``--confirm`` says, each time that it was given.
    """

    path: Path
    yes: bool
    is_pinned: bool
    tokens: tuple[str, ...] = ()


def token(device: Device) -> str:
    """Return what has to be typed, such as ``sdb 31.9G``."""
    return f"{device.name} {device.size / 1e9:.1f}G"


def is_large(device: Device, image_size: int) -> bool:
    """Tell a disk that is large for what is to be written: is it a card at all?"""
    return device.size > _LARGE or device.size > _TIMES * image_size


def needs_answer(device: Device, image_size: int, said: Said, *, on_terminal: bool) -> bool:
    """Tell whether a person has to be asked.

    Raises:
        DeviceError: somebody has to be asked, and nobody is there.
    """
    if said.tokens:
        check_answer(device, *said.tokens)
        return False
    large = is_large(device, image_size)
    if said.yes and not large and (said.is_pinned or _is_by_id(said.path)):
        return False
    if on_terminal:
        return True
    typed = f"--confirm {token(device)!r}"
    if said.yes and large:
        raise DeviceError(f"{device.path}: is large for this image; --yes is not enough",
                          hint=typed)  # fmt: skip
    if said.yes:
        raise DeviceError(
            f"{device.path}: --yes says nothing of which disk is meant: names change",
            hint=f"give its {_BY_ID}/ path, --expect-serial, --expect-size, or {typed}",
        )
    raise DeviceError(f"{device.path}: nobody is there to confirm it", hint=typed)


def _is_by_id(path: Path) -> bool:
    """Tell a path that names one disk wherever it is plugged in; one with ``..`` may name any."""
    return path.parent == _BY_ID and ".." not in path.parts


def check_answer(device: Device, *answers: str) -> None:
    """Compare what was typed, or said in advance of several devices.

    Raises:
        DeviceError: none of it names the device.
    """
    if token(device) not in {" ".join(answer.split()) for answer in answers}:
        said = ", ".join(map(repr, answers))
        raise DeviceError(
            f"{device.path}: not confirmed: {said}; wanted {token(device)!r}",
            hint="nothing was written",
        )
