"""Measures burning beside ``bmaptool copy``, on a loop device; for ``make bench``.

The image is the raw disk of the tests: 16 GiB with some 700 MB in it. The loop device is made anew
before each run, over a sparse file on the file system that counts; both rivals end with fsync(2).
Needs root and a kernel with loop devices.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.bases import Recipe, cache_folder, make_base
from tools.bench_measure import Rival, interleave

_READER: Final = """\
import mmap, os, sys
device, extents = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), sys.argv[2]
buffer = memoryview(mmap.mmap(-1, 4 << 20))
for line in open(extents):
    at, length = map(int, line.split())
    while length > 0:
        done = os.preadv(device, [buffer[:min(len(buffer), -(-length // 4096) * 4096)]], at)
        at, length = at + done, length - done
"""


def skip_reason() -> str:
    """Return why burning cannot be measured here, empty when it can."""
    if os.geteuid() != 0:
        return "burning is measured on loop devices, which need root"
    probe = subprocess.run(["losetup", "--find"], capture_output=True, check=False)
    return "this kernel has no loop devices" if probe.returncode else ""


@contextmanager
def rivals(product: list[str], folder: Path, rounds: int) -> Iterator[dict[str, Rival]]:
    """Run the rivals and yield them: ``ours``, ``proved``, ``bmaptool`` and ``reading``."""
    image = make_base(cache_folder(), Recipe(kind="raw", root="real")).path
    bmap = folder / "image.bmap"
    subprocess.run(["bmaptool", "create", "-o", bmap, image], check=True, capture_output=True)
    extents = folder / "extents"
    _write_extents(image, extents)
    with _loop(folder, image.stat().st_size) as (device, renew):
        burn = [*product, "burn", str(image), device, "--allow-loop", "--confirm", _token(device)]
        quick = [*burn, "--no-probe", "--no-eject", "--no-verify"]
        copy = ["bmaptool", "-q", "copy", "--bmap", str(bmap), str(image), device]
        reader = [sys.executable, "-c", _READER, device, str(extents)]
        found = {
            "ours": Rival("photon-builder burn, not read back", quick, renew),
            "bmaptool": Rival("bmaptool copy", copy, renew),
            "proved": Rival("photon-builder burn", [*burn, "--no-probe", "--no-eject"], renew),
            "reading": Rival("reading what was written, O_DIRECT", reader),
        }
        interleave(list(found.values()), rounds)
        yield found


def _token(device: str) -> str:
    """Return what confirms a device."""
    size = int(Path("/sys/class/block", Path(device).name, "size").read_text()) * 512
    return f"{Path(device).name} {size / 1e9:.1f}G"


def _write_extents(image: Path, target: Path) -> None:
    """Write offset and length of every run of a sparse file."""
    fd, rows, end = os.open(image, os.O_RDONLY), [], 0
    size = image.stat().st_size
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(fd, start, os.SEEK_HOLE)
        rows.append(f"{start} {end - start}\n")
    os.close(fd)
    target.write_text("".join(rows))


@contextmanager
def _loop(folder: Path, size: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """Attach an empty file as a loop device, and give a way to begin anew."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        backing = Path(scratch) / "card"
        backing.touch()
        os.truncate(backing, size)
        attached = subprocess.run(
            ["losetup", "--find", "--show", backing], capture_output=True, text=True, check=True
        )
        device = attached.stdout.strip()

        def renew() -> None:
            os.truncate(backing, 0)
            os.truncate(backing, size)
            os.sync()

        try:
            yield device, renew
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)
