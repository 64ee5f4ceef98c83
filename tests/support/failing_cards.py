"""Cards that stall or fail: loop devices over a file that QEMU's storage daemon serves by FUSE.

Stopped by a signal, the daemon leaves requests unanswered, as some readers do; by its blkdebug
driver it fails them with any error of the kernel. That a read fails, or that what was written is
not kept, takes direct I/O between the loop device and FUSE: else the page cache answers. It mangles
data on Linux 6.18 (dd shows it), so nothing that is to succeed is tried so.
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


def _options(
    last: dict[str, object], rules: Sequence[dict[str, object]], rate: int, point: Path
) -> list[str]:
    """Return the options that serve a node at a mount point, failing by rule, or slowly."""
    nodes = [{**last, "node-name": "last"}]
    limits = ["--object", f"throttle-group,id=limits,x-bps-write={rate}"] if rate else []
    if rate:
        nodes.append(
            {"driver": "throttle", "throttle-group": "limits", "file": "last", "node-name": "slow"}
        )
    if rules:
        failing = {"driver": "blkdebug", "image": "last", "inject-error": list(rules)}
        nodes.append({**failing, "node-name": "failing"})
    export = {"type": "fuse", "id": "e", "node-name": nodes[-1]["node-name"], "writable": True}
    options = [word for node in nodes for word in ("--blockdev", dumps(node))]
    return [*limits, *options, "--export", dumps({**export, "mountpoint": str(point)})]


@contextmanager
def served(
    folder: Path,
    size: int,
    rules: Sequence[dict[str, object]] = (),
    *,
    forgets: bool = False,
    rate: int = 0,
) -> Iterator[Served]:
    """Make a card of ``size`` bytes that answers as long as its process runs.

    Args:
        folder: Where its files are.
        size: What it says of itself.
        rules: How it fails.
        forgets: Whether it keeps nothing of what is written to it.
        rate: Bytes that it takes in a second; zero for as many as it can.
    """
    require_loops()
    if not Path("/dev/fuse").exists():
        (pytest.fail if CI else pytest.skip)("this kernel has no FUSE")
    backing, point = folder / "served.raw", folder / "served.export"
    backing.touch()
    os.truncate(backing, size)
    point.touch()
    last: dict[str, object] = {"driver": "file", "filename": str(backing)}
    if forgets:
        last = {"driver": "null-co", "size": size, "read-zeroes": True}
    options = _options(last, rules, rate, point)
    process = subprocess.Popen([require("qemu-storage-daemon"), *options])
    try:
        until(lambda: process.poll() is not None or point.stat().st_size == size, 30)
        assert process.poll() is None
        with attach(point, *(["--direct-io=on"] if rules or forgets else [])) as loop:
            found = Served(LoopCard(loop.device, backing), process)
            try:
                yield found
            finally:
                found.go_on()
    finally:
        process.terminate()
        process.wait(30)
        judge("umount", "-l", point, check=False)
