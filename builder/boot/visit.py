"""What a test changes in its throw-away copy of a disk, so that it can talk to the guest.

Photon's images say nothing on a serial line. One argument of the kernel brings the console and,
with it, systemd's login there; when no password of root is known, a drop-in puts a shell of
root's there instead. The artifact stays as it is: what is written is kept apart, to be put into
the overlay.
"""

from collections.abc import Iterator
from pathlib import Path

from builder.blob import Blob
from builder.carriers.edit import edit
from builder.changes import Change, SetKernelArguments, WriteFile
from builder.formats.disk import KIB, Disk
from builder.guestpath import guest
from builder.images import open_image
from builder.plan import Step

_BLOCK = 4 * KIB
_SPEED = 115200
_DROPIN = "/etc/systemd/system/serial-getty@{}.service.d/photon-builder-boot.conf"
_SHELL = """\
[Service]
ExecStart=
ExecStart=-/bin/sh -i
StandardInput=tty
StandardOutput=tty
StandardError=tty
WorkingDirectory=/root
"""


class SeparateDisk:
    """A disk that is read, and whose changes are kept apart.

    Attributes:
        blocks: Changed blocks by number.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.size = disk.size
        self.blocks: dict[int, bytearray] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""
        data = bytearray(self._disk.read(offset, length))
        for number, start, end in _split(offset, length):
            block = self.blocks.get(number)
            if block is not None:
                place = number * _BLOCK + start - offset
                data[place : place + end - start] = block[start:end]
        return bytes(data)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Replace bytes."""
        view = memoryview(data)
        for number, start, end in _split(offset, len(view)):
            if number not in self.blocks:
                first = number * _BLOCK
                old = self._disk.read(first, min(_BLOCK, self.size - first))
                self.blocks[number] = bytearray(old)
            self.blocks[number][start:end] = view[: end - start]
            view = view[end - start :]

    def pieces(self) -> dict[int, bytes]:
        """Return what was changed, by offset; neighbours are joined."""
        found: dict[int, bytearray] = {}
        first = previous = -1
        for number in sorted(self.blocks):
            if number != previous + 1 or first < 0:
                first = number
                found[first * _BLOCK] = bytearray()
            found[first * _BLOCK] += self.blocks[number]
            previous = number
        return {offset: bytes(piece) for offset, piece in found.items()}


def prepare_visit(
    artifact: Path, *, root_shell: bool, timestamp: int, console: str = "ttyS0"
) -> dict[int, bytes]:
    """Return what to write to a copy of the artifact's disk, by offset.

    Args:
        artifact: Read, not changed.
        root_shell: Whether the console is a shell of root's, with no login.
        timestamp: Time of what is written, seconds since the epoch.
        console: Name of the serial line in the guest.
    """
    changes: list[Change] = [SetKernelArguments(add=(f"console={console},{_SPEED}",))]
    if root_shell:
        changes.append(WriteFile(guest(_DROPIN.format(console)), Blob.text(_SHELL)))
    with open_image(artifact) as image:
        disk = image.disk = SeparateDisk(image.disk)
        root = image.root()
        edit(root, [Step(change, "boot test") for change in changes], timestamp)
        root.flush()
        return disk.pieces()


def _split(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield the blocks of a range, each with first and last byte inside of it."""
    while length > 0:
        number, start = divmod(offset, _BLOCK)
        end = min(_BLOCK, start + length)
        yield number, start, end
        offset, length = offset + end - start, length - (end - start)
