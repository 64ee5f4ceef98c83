"""Cards that stall or fail: loop devices over a file that QEMU's storage daemon serves by FUSE.

Stopped by a signal, the daemon leaves requests unanswered, as some readers do; by its blkdebug
driver it fails them with any error of the kernel. That a read fails takes direct I/O between the
loop device and FUSE, which mangles data on Linux 6.18 (dd shows it): only failures are tried so.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from json import dumps
from pathlib import Path

import pytest

from tests.support.judges import CI, judge, require
from tests.support.loop_cards import LoopCard, attach, require_loops
from tests.support.server import until


@dataclass(frozen=True)
class Served:
    """A card and the process behind it."""

    card: LoopCard
    process: subprocess.Popen[bytes]

    def stall(self) -> None:
        """Answer nothing from now on."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        self.process.send_signal(signal.SIGCONT)


def fails(sector: int, code: int, kind: str = "write", *, once: bool = False) -> dict[str, object]:
    """Return the rule that lets requests fail that touch a sector of 512 bytes."""
    return {"event": "none", "iotype": kind, "sector": sector, "errno": code, "once": once}


@contextmanager
def served(
    folder: Path, size: int, rules: Sequence[dict[str, object]] = (), name: str = "served"
) -> Iterator[Served]:
    """Make a card of ``size`` bytes that fails by rule, and answers as long as its process runs."""
    require_loops()
    if not Path("/dev/fuse").exists():
        (pytest.fail if CI else pytest.skip)("this kernel has no FUSE")
    backing, point = folder / f"{name}.raw", folder / f"{name}.export"
    backing.touch()
    os.truncate(backing, size)
    point.touch()
    file = {"driver": "file", "node-name": "file", "filename": str(backing)}
    card = {"driver": "blkdebug", "node-name": "card", "image": "file", "inject-error": list(rules)}
    export = {"type": "fuse", "id": "e", "node-name": "card" if rules else "file", "writable": True}
    options = ["--blockdev", dumps(file), *(["--blockdev", dumps(card)] if rules else [])]
    options += ["--export", dumps({**export, "mountpoint": str(point)})]
    process = subprocess.Popen([require("qemu-storage-daemon"), *options])
    try:
        until(lambda: process.poll() is not None or point.stat().st_size == size, 30)
        assert process.poll() is None
        with attach(point, *(["--direct-io=on"] if rules else [])) as loop:
            found = Served(LoopCard(loop.device, backing), process)
            try:
                yield found
            finally:
                found.go_on()
    finally:
        process.terminate()
        process.wait(30)
        judge("umount", "-l", point, check=False)
