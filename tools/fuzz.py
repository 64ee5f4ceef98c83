"""Tries every door of the program with what nobody should send: ``make fuzz SECONDS=600``.

Each case is made from a seed, the door and a number, and runs in a process with limits of time and
memory. A case that is not answered with a sentence and an exit code of the manual is a finding.

    python -m tools.fuzz [--seconds N] [--cases N] [--seed N] [--only DOOR]... [--again DOOR:N]
"""

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Final

_LIMIT_SECONDS: Final = 5.0
_WALL_SECONDS: Final = 30
"""Where a case waits, on a machine that has other things to do."""
_MEMORY: Final = 2 << 30
_BATCH: Final = 20


class _HangError(BaseException):
    """A case took too long."""


def main() -> int:
    """Try cases until the time is over; the exit status is 1 when there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cases", type=int, default=0, help="of each door, instead of seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--again", default="", help="one case: DOOR:NUMBER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="photon-fuzz-") as folder:
        return _Fuzz(options, Path(folder)).run()


class _Fuzz:
    """A run."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        from tools import fuzz_doors, fuzz_parts
        from tools.fuzz_seeds import make_seeds

        os.environ["PHOTON_BUILDER_CACHE"] = str(folder / "cache")
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        os.environ.update({"NO_COLOR": "1", "ROOT_PASSWORD": "x", "PIHOLE_PASSWORD": "y"})
        self._options = options
        self._folder = folder
        doors = {**fuzz_doors.DOORS, **fuzz_parts.DOORS}
        self._doors = {name: doors[name] for name in options.only or doors}
        self._seeds = make_seeds(folder)
        if "tables" in self._doors:
            for name in ("gce", "azure"):
                fuzz_parts.unpack(folder, name)
        self._counts = dict.fromkeys(self._doors, 0)
        self._spent = dict.fromkeys(self._doors, 0.0)
        self._known: dict[str, str] = {}

    def run(self) -> int:
        """Try batches of all doors in turn."""
        if self._options.again:
            door, _, number = self._options.again.partition(":")
            self._batch(door, range(int(number), int(number) + 1))
            return self._report()
        end = time.monotonic() + self._options.seconds
        while True:
            door = min(self._doors, key=lambda name: self._spent[name])
            count = self._counts[door]
            if self._options.cases:
                if count >= self._options.cases:
                    left = [one for one in self._doors if self._counts[one] < self._options.cases]
                    if not left:
                        return self._report()
                    door, count = left[0], self._counts[left[0]]
                size = min(_BATCH, self._options.cases - count)
            else:
                if time.monotonic() > end:
                    return self._report()
                size = _BATCH
            begun = time.monotonic()
            self._counts[door] += self._batch(door, range(count, count + size))
            self._spent[door] += time.monotonic() - begun

    def _batch(self, door: str, numbers: range) -> int:
        """Run cases in a process; returns how many were begun."""
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            self._child(door, numbers, write)
        os.close(write)
        begun = 0
        with os.fdopen(read, "rb") as told:
            for line in told:
                kind, _, text = line.decode(errors="replace").partition(" ")
                if kind == "case":
                    begun += 1
                else:
                    self._found(text.strip())
        _, status = os.waitpid(child, 0)
        if status:
            number = numbers.start + begun - 1
            self._found(f"{door}:{number} the process ended with {status}")
        return max(begun, 1)

    def _child(self, door: str, numbers: range, told: int) -> None:
        """Run cases and tell of them; never returns."""
        from tools.fuzz_doors import Case

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        for kind in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(kind, _stop)
        for number in numbers:
            os.write(told, b"case \n")
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            rng = random.Random(f"{self._options.seed}:{door}:{number}")
            signal.setitimer(signal.ITIMER_PROF, _LIMIT_SECONDS, 1)
            signal.setitimer(signal.ITIMER_REAL, _WALL_SECONDS, 1)
            try:
                self._doors[door](Case(self._seeds, folder, rng))
            except BaseException as error:
                _disarm()
                os.write(told, f"bad {door}:{number} {_described(error)}\n".encode()[:8000])
            _disarm()
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def _found(self, text: str) -> None:
        """Print a finding of a new kind."""
        place, _, what = text.partition(" ")
        kind = what.rpartition("@@")[2] or what[:80]
        if kind not in self._known:
            self._known[kind] = place
            print(f"FINDING {place} {what.replace(chr(1), chr(10))}", flush=True)

    def _report(self) -> int:
        """Print what was tried."""
        for door, count in self._counts.items():
            print(f"{door:12} {count:7} cases {self._spent[door]:7.1f} s")
        print(f"{sum(self._counts.values())} cases, {len(self._known)} kinds of findings")
        return int(bool(self._known))


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End a case that takes too long."""
    raise _HangError


def _disarm() -> None:
    """Stop both clocks."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _described(error: BaseException) -> str:
    """Return an error in a line, with what tells its kind at the end."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/builder/" in frame.filename] or list(frames)
    kind = f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].name}"
    text = "".join(traceback.format_exception(error))
    if "this is a bug" in text:
        at = [line.strip() for line in text.splitlines() if line.strip().startswith("File ")]
        kind = at[-1] if at else kind
        inner = [line for line in at if "/builder/" in line and "fuzz" not in line]
        kind = next((one for one in reversed(inner) if "cli/__init__" not in one), kind)
    return f"{text[-3500:]}@@{kind}".replace("\n", chr(1))


if __name__ == "__main__":
    sys.exit(main())
