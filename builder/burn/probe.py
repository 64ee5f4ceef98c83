"""Whether a card is as large as it says: cards are sold that are not.

A block with a tag of its own is written at places that lie ever farther apart, up to the last one;
then all are read. A fake card either loses what lies beyond its end, or puts it where something
else was, as many bytes before as it really has: a power of two. So there is a place that many
bytes after the first one, for every power. Source of the idea: f3probe(1), by Michel Machado.
"""

import hashlib
import mmap
import secrets
from collections.abc import Iterator
from typing import Protocol

from builder.burn.devices import format_size
from builder.errors import DeviceError
from builder.formats.disk import KIB, MIB

BLOCK = 4 * KIB
LEAST_SIZE = 8 * 10**9
"""Smaller cards are not worth faking."""
_PLACES = 48
_ANCHOR = MIB


class Medium(Protocol):
    """Something that is written and read at offsets."""

    @property
    def size(self) -> int:
        """What it says of itself, in bytes."""
        ...

    def write(self, view: memoryview, offset: int) -> None:
        """Write a run."""
        ...

    def read(self, view: memoryview, offset: int) -> None:
        """Fill a buffer."""
        ...

    def flush(self) -> None:
        """Wait until everything is on the medium."""
        ...


def probe(medium: Medium, name: str) -> None:
    """Write and read tags all over a medium; what was there is lost.

    Raises:
        DeviceError: it does not keep what lies beyond some place.
        HostError: it fails outright.
    """
    nonce = secrets.token_bytes(16)
    places = list(iter_places(medium.size))
    for place in places:
        _write(medium, nonce, place)
    medium.flush()
    for before, place in zip([0, *places], places, strict=False):
        if not _holds(medium, nonce, place):
            real = _find_period(medium, secrets.token_bytes(16)) or _between(before, place)
            raise DeviceError(
                f"{name}: says that it has {format_size(medium.size)}, but does not keep all that "
                f"is written to it: its real size is about {real}",
                hint="cards that lie about their size are sold; f3probe and H2testw tell more",
            )


def iter_places(size: int) -> Iterator[int]:
    """Yield places, dense at the beginning and sparse later, and the last one."""
    last = size // BLOCK * BLOCK - BLOCK
    ratio = (max(size, 2 * MIB) / MIB) ** (1 / (_PLACES - 1))
    spread = {min(last, int(MIB * ratio**n) // BLOCK * BLOCK) for n in range(_PLACES)}
    found = spread | set(_iter_powers(last)) | {last}
    yield from sorted(place for place in found if place >= 0)


def _iter_powers(last: int) -> Iterator[int]:
    """Yield the places a power of two after the anchor."""
    power = _ANCHOR
    while _ANCHOR + power <= last:
        yield _ANCHOR + power
        power *= 2


def _find_period(medium: Medium, nonce: bytes) -> str:
    """Return after how many bytes a card begins anew, empty when it does not."""
    _write(medium, nonce, _ANCHOR)
    for place in _iter_powers(medium.size - BLOCK):
        _write(medium, nonce, place)
        medium.flush()
        if _holds(medium, nonce, place) and not _holds(medium, nonce, _ANCHOR):
            return format_size(place - _ANCHOR)
    return ""


def _write(medium: Medium, nonce: bytes, place: int) -> None:
    """Write the tag of a place."""
    buffer = mmap.mmap(-1, BLOCK)
    buffer[:] = _tag(nonce, place)
    medium.write(memoryview(buffer), place)


def _holds(medium: Medium, nonce: bytes, place: int) -> bool:
    """Tell whether the tag of a place is there."""
    buffer = mmap.mmap(-1, BLOCK)
    medium.read(memoryview(buffer), place)
    return buffer[:] == _tag(nonce, place)


def _tag(nonce: bytes, place: int) -> bytes:
    """Return a block that no other place has, and no other run."""
    seed = hashlib.sha256(nonce + place.to_bytes(8, "little")).digest()
    return seed * (BLOCK // len(seed))


def _between(before: int, place: int) -> str:
    """Return between which sizes the real one is."""
    return f"{format_size(before)} to {format_size(place)}"
