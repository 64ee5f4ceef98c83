"""Detects cards with a false capacity.

A block with a unique tag is written at offsets with growing distances, up to the last one; then
all are read. A fake card either loses what lies beyond its real end, or wraps around: it overwrites
what is as many bytes before as it really has, a power of two. So there is an offset that many bytes
after the first one, for every power of two. Source of the idea: f3probe(1), by Michel Machado.
"""

import hashlib
import mmap
import secrets
from collections.abc import Iterator
from typing import Protocol

from builder.errors import DeviceError
from builder.formats.disk import KIB, MIB
from builder.sizes import format_label_size

BLOCK = 4 * KIB
LEAST_SIZE = 8 * 10**9
"""Smaller cards are not faked."""
_PLACES = 48
_ANCHOR = MIB


class ProbedMedium(Protocol):
    """A medium that can be written and read at offsets."""

    @property
    def size(self) -> int:
        """The capacity that it reports, bytes."""
        ...

    def write(self, view: memoryview, offset: int) -> None:
        """Write a range."""
        ...

    def read(self, view: memoryview, offset: int) -> None:
        """Fill a buffer."""
        ...

    def flush(self) -> None:
        """Wait until everything is on the medium."""
        ...


def probe(medium: ProbedMedium, name: str) -> None:
    """Write and read tags all over a medium; its data is lost.

    Raises:
        DeviceError: the medium loses data beyond some offset.
        HostError: the medium fails.
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
                f"{name}: reports {format_label_size(medium.size)}, but does not keep all that is "
                f"written to it: its real size is about {real}",
                hint="cards with a false size are sold; f3probe and H2testw show details",
            )


def iter_places(size: int) -> Iterator[int]:
    """Yield offsets, dense at the beginning and sparse later, and the last one."""
    last = size // BLOCK * BLOCK - BLOCK
    ratio = (max(size, 2 * MIB) / MIB) ** (1 / (_PLACES - 1))
    spread = {min(last, int(MIB * ratio**n) // BLOCK * BLOCK) for n in range(_PLACES)}
    found = spread | set(_iter_powers(last)) | {last}
    yield from sorted(place for place in found if place >= 0)


def _iter_powers(last: int) -> Iterator[int]:
    """Yield the offsets a power of two after the anchor."""
    power = _ANCHOR
    while _ANCHOR + power <= last:
        yield _ANCHOR + power
        power *= 2


def _find_period(medium: ProbedMedium, nonce: bytes) -> str:
    """Return after how many bytes a card wraps around, empty when it does not."""
    _write(medium, nonce, _ANCHOR)
    for place in _iter_powers(medium.size - BLOCK):
        _write(medium, nonce, place)
        medium.flush()
        if _holds(medium, nonce, place) and not _holds(medium, nonce, _ANCHOR):
            return format_label_size(place - _ANCHOR)
    return ""


def _write(medium: ProbedMedium, nonce: bytes, place: int) -> None:
    buffer = mmap.mmap(-1, BLOCK)
    buffer[:] = _tag(nonce, place)
    medium.write(memoryview(buffer), place)


def _holds(medium: ProbedMedium, nonce: bytes, place: int) -> bool:
    buffer = mmap.mmap(-1, BLOCK)
    medium.read(memoryview(buffer), place)
    return buffer[:] == _tag(nonce, place)


def _tag(nonce: bytes, place: int) -> bytes:
    """Return a block that is unique to an offset and to this probe."""
    seed = hashlib.sha256(nonce + place.to_bytes(8, "little")).digest()
    return seed * (BLOCK // len(seed))


def _between(before: int, place: int) -> str:
    return f"{format_label_size(before)} to {format_label_size(place)}"
