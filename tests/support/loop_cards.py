"""Cards made of loop devices, with something on them already."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.formats.disk import KIB, MIB
from tests.support.judges import CI, judge
from tests.support.program import Bench, Run


@dataclass(frozen=True)
class LoopCard:
    """A loop device and the file behind it."""

    device: Path
    backing: Path

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def token(self) -> str:
        return f"{self.name} {self.backing.stat().st_size / 1e9:.1f}G"

    def content(self, offset: int, length: int) -> bytes:
        """Return what is on it, as the file behind it has it."""
        judge("blockdev", "--flushbufs", self.device)
        with self.backing.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)

    @property
    def head(self) -> bytes:
        return self.content(0, MIB)

    @property
    def whole(self) -> str:
        """The SHA-256 of everything that is on it."""
        judge("blockdev", "--flushbufs", self.device)
        return judge("sha256sum", self.backing).stdout.split()[0]

    @property
    def is_blank(self) -> bool:
        """Whether nothing boots from it."""
        return self.head == bytes(MIB)


def require_loops() -> None:
    """Skip where no loop device is available; fail on a machine that must have them."""
    if os.geteuid() != 0:
        pytest.skip("burning is tried on loop devices, which need root")
    found = subprocess.run(["losetup", "--find"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return
    message = f"this kernel has no loop devices: {found.stderr.strip()}"
    if CI and Path("/dev/loop-control").exists():
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def attach(backing: Path, *options: str) -> Iterator[LoopCard]:
    """Attach a file as a loop device for a while."""
    require_loops()
    device = judge("losetup", "--find", "--show", *options, backing).stdout.strip()
    try:
        yield LoopCard(Path(device), backing)
    finally:
        judge("losetup", "--detach", device, check=False)


@contextmanager
def card(folder: Path, size: int, name: str = "card") -> Iterator[LoopCard]:
    """Make a card that was in use: noise is at its ends and at odd places in between."""
    backing = folder / name
    noise = random.Random(name).randbytes(MIB)
    with backing.open("wb") as stream:
        stream.truncate(size)
        for place in (0, size - MIB):
            stream.seek(place)
            stream.write(noise)
        for place in (*range(MIB, 32 * MIB, MIB), *range(33 * MIB, size - MIB, 7 * MIB + 3 * KIB)):
            stream.seek(place)
            stream.write(noise[: 64 * KIB])
    with attach(backing) as found:
        yield found


@contextmanager
def full_after(folder: Path, size: int, room: int = 600 * MIB) -> Iterator[LoopCard]:
    """A card that fails where a small filesystem in memory is full."""
    point = folder / "small"
    point.mkdir()
    judge("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", point)
    try:
        with (point / "card").open("wb") as stream:
            stream.truncate(room)
        with attach(point / "card") as failing:
            yield failing
    finally:
        judge("umount", "-l", point)


def burn(bench: Bench, image: Path | str, *cards: LoopCard, more: tuple[str, ...] = ()) -> Run:
    """Burn an image as a user would who means it."""
    return bench.run(*command(image, *cards, more=more))


def command(image: Path | str, *cards: LoopCard, more: tuple[str, ...] = ()) -> list[str | Path]:
    """Return the arguments that burn an image."""
    tokens = {"--expect-size": str(cards[0].backing.stat().st_size)} if len(cards) > 1 else {}
    said = ["--yes", *(word for pair in tokens.items() for word in pair)]
    if len(cards) == 1:
        said = ["--confirm", cards[0].token]
    devices = [each.device for each in cards]
    return ["burn", image, *devices, "--allow-loop", *said, *more]


def same(image: Path, on: LoopCard) -> bool:
    """Tell, as cmp(1) does, whether an image is on a card."""
    judge("blockdev", "--flushbufs", on.device)
    size = str(image.stat().st_size)
    return judge("cmp", "-n", size, image, on.device, check=False).returncode == 0
