"""Runs rivals in turn and keeps what each took; knows nothing of what they do."""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LAUNCHER: Final = Path(__file__).with_name("bench_run.py")
_TOUCHED: Final = 6 << 30
_TOUCH: Final = """\
import mmap, sys
size = int(sys.argv[1])
memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, size, mmap.PAGESIZE): memory[at] = 1
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command.

    Attributes:
        seconds: Wall clock.
        cpu: Seconds of processor time.
        peak: Largest resident set of any of its processes, bytes.
        written: Bytes passed to write calls; negative when the system does not say.
        status: Exit status.
    """

    seconds: float
    cpu: float
    peak: int
    written: int
    status: int


def _nothing() -> None:
    """Prepare nothing."""


@dataclass(slots=True)
class Rival:
    """A command that is measured.

    Attributes:
        name: For the table.
        command: Its arguments.
        prepare: Done before each run, outside the measurement.
        runs: What it took so far.
    """

    name: str
    command: list[str]
    prepare: Callable[[], None] = _nothing
    runs: list[Run] = field(default_factory=list)

    def run(self) -> None:
        """Run it once and keep the figures.

        Raises:
            SystemExit: The command failed.
        """
        self.prepare()
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER), *self.command],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = Run(**json.loads(done.stdout))
        if found.status:
            raise SystemExit(f"{self.name}: exit status {found.status}: {' '.join(self.command)}")
        self.runs.append(found)

    @property
    def seconds(self) -> float:
        """Median of the wall clock."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median of the processor time."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        """Largest peak of memory in bytes."""
        return max(run.peak for run in self.runs)


def interleave(rivals: list[Rival], rounds: int, *, warm: bool = True) -> None:
    """Run the rivals in turn, so that a slow moment of the machine hits all of them.

    Each round has an order of its own, the same in every benchmark: what ran before a rival
    decides in which state it finds the memory and the disk.
    """
    if warm:
        for rival in rivals:
            rival.run()
            rival.runs.clear()
    order = random.Random(0)  # noqa: S311 - no secret
    for _ in range(rounds):
        for rival in order.sample(rivals, len(rivals)):
            rival.run()


def ratio(first: Rival, second: Rival) -> float:
    """Return the median, pair by pair, of the first's time by the second's."""
    pairs = zip(first.runs, second.runs, strict=False)
    return statistics.median(one.seconds / other.seconds for one, other in pairs)


def emptied(folder: Path) -> Callable[[], None]:
    """Return a preparation that leaves ``folder`` there and empty."""

    def prepare() -> None:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)

    return prepare


def settled(prepare: Callable[[], None]) -> Callable[[], None]:
    """Return a preparation after which nothing waits for the disk, and free memory is alike.

    Of a virtual machine's free memory the host may have taken some back; the next to use it waits
    until it is there again, which made copies of 5 GB take up to twice as long.
    """

    def settle() -> None:
        prepare()
        os.sync()
        size = min(_TOUCHED, _free_memory() // 10 * 9)
        if size:
            subprocess.run([sys.executable, "-I", "-S", "-c", _TOUCH, str(size)], check=True)

    return settle


def _free_memory() -> int:
    """Return the bytes that nothing uses, not even as a cache; 0 where the system has no word."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("MemFree:")) * 1024
