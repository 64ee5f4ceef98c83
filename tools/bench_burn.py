"""Measures burning beside ``bmaptool copy``, on a loop device; for ``make bench``.

The image is the raw disk of the tests: 16 GiB with some 700 MB in it. The loop device is made anew
before each run, over a sparse file on the file system that counts; all rivals end with fsync(2).
Reading back is measured on a loop device that passes by the page cache of its file: a card is read
too, and not found in memory. Needs root and a kernel with loop devices.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.bases import Recipe, cache_folder, make_base
from tools.bench_measure import Rival, interleave, ratio, settled
from tools.bench_report import Bench, Limit, show

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


def bench_burn(bench: Bench) -> None:
    """Measure burning beside bmaptool, and reading back beside plain reading."""
    reason = _skip_reason()
    if reason:
        print(f"\nburn: not measured: {reason}")
        return
    image = make_base(cache_folder(), Recipe(kind="raw", root="real")).path
    bmap, extents = bench.folder / "image.bmap", bench.folder / "extents"
    subprocess.run(["bmaptool", "create", "-o", bmap, image], check=True, capture_output=True)
    _write_extents(image, extents)
    with _loop(bench.folder, image.stat().st_size) as (device, empty):
        quick, proved = _burns(bench, image, device, settled(empty))
        copy = ["bmaptool", "-q", "copy", "--bmap", str(bmap), str(image), device]
        rival = Rival("bmaptool copy, never reads back", copy, quick.prepare)
        interleave([quick, rival, proved], bench.rounds)
        show([quick, rival, proved], quick)
        bench.limits += [
            Limit("burn, not read back, by bmaptool copy", ratio(quick, rival), 1),
            Limit("burn, read back, by bmaptool copy", ratio(proved, rival), 1),
        ]
    with _loop(bench.folder, image.stat().st_size, "--direct-io=on") as (device, empty):
        quick, proved = _burns(bench, image, device, settled(empty))
        reader = [sys.executable, "-c", _READER, device, str(extents)]
        reading = Rival("reading what was written, O_DIRECT", reader)
        interleave([quick, proved, reading], bench.rounds)
        show([quick, proved, reading], quick)
    added = [
        (one.seconds - other.seconds) / plain.seconds
        for one, other, plain in zip(proved.runs, quick.runs, reading.runs, strict=True)
    ]
    text = "what reading back adds by reading"
    bench.limits.append(Limit(text, statistics.median(added), 1))


def _burns(
    bench: Bench, image: Path, device: str, renew: Callable[[], None]
) -> tuple[Rival, Rival]:
    """Return burning without and with reading back."""
    burn = ["burn", str(image), device, "--allow-loop", "--confirm", _token(device)]
    burn += ["--no-probe", "--no-eject"]
    return (
        bench.product("burn, not read back", *burn, "--no-verify", prepare=renew),
        bench.product("burn, read back", *burn, prepare=renew),
    )


def _skip_reason() -> str:
    """Return why burning cannot be measured here, empty when it can."""
    if os.geteuid() != 0:
        return "loop devices need root"
    probe = subprocess.run(["losetup", "--find"], capture_output=True, check=False)
    return "this kernel has no loop devices" if probe.returncode else ""


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
def _loop(folder: Path, size: int, *options: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Attach an empty file as a loop device, and give a way to begin anew."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        backing = Path(scratch) / "card"
        backing.touch()
        os.truncate(backing, size)
        attached = subprocess.run(
            ["losetup", *options, "--find", "--show", backing],
            capture_output=True,
            text=True,
            check=True,
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
