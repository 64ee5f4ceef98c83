"""Kills the program and fails its system calls, one after another: ``make faults SECONDS=600``.

Each try runs a command in a folder of its own, with one fault in it. Whatever the fault is, the
answer is a sentence with an exit code of the manual, nothing half-written has a final name, nothing
lies in ``TMPDIR``, and the same command without a fault then makes what it always makes.

    python -m tools.faults [--seconds N] [--tries N] [--seed N] [--kills] [--only COMMAND]...
    python -m tools.faults --again COMMAND:NUMBER
"""

import argparse
import errno
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.fault_commands import COMMANDS, Command, Site, open_site, state_of

_LIMIT_SECONDS: Final = 20.0
_CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "write": ("EIO", "ENOSPC", "EDQUOT", "EINTR", "short"),
    "copy": ("EIO", "ENOSPC", "EXDEV", "EOPNOTSUPP", "short"),
    "read": ("EIO", "EINTR", "short"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EACCES", "EROFS"),
    "link": ("EIO", "ENOSPC", "EPERM"),
    "create": ("EIO", "ENOSPC", "EACCES", "EROFS", "EDQUOT", "EMFILE"),
    "open": ("EIO", "EACCES", "EMFILE"),
    "truncate": ("EIO", "ENOSPC", "EFBIG"),
    "allocate": ("EIO", "ENOSPC", "EOPNOTSUPP"),
    "mkdir": ("EIO", "ENOSPC", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "meta": ("EIO", "EPERM"),
    "flock": ("ENOLCK", "EIO"),
}
"""Kinds of calls, as tools/faults.c names them, and what befalls them."""
_SIGNALLED, _TIMED, _STUCK = 0.3, 0.5, 0.4
"""Of all faults, signals; of signals, those after a time; of errors, those that stay."""
_SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_HARMLESS: Final = frozenset({"EINTR", "short", "EXDEV", "EOPNOTSUPP"})
_ERROR: Final = re.compile(r"error\[[A-Z]+[0-9]+\]: ")
_PLACES: Final = (
    ": .:",
    "202",
    "output",
    "cache",
    "site",
    ".yaml",
    "data",
    "photon",
    "card",
    "tmp",
    "root",
)
"""Of which one is in a message that says where."""
_ENDS: Final = frozenset({0, 3, 7, 10})


@dataclass(frozen=True)
class Fault:
    """What befalls a run.

    Attributes:
        kinds: The calls that are counted.
        number: Which of them is hit, from 1; 0 for a signal after ``seconds``.
        name: Name of an errno, ``short``, or a signal.
        is_sticky: Whether all later calls fail, too.
        seconds: When a signal is sent.
    """

    kinds: str
    number: int
    name: str
    is_sticky: bool = False
    seconds: float = 0.0

    @property
    def signal(self) -> int:
        """The signal's number, 0 for an error."""
        return int(signal.Signals[self.name]) if self.name.startswith("SIG") else 0

    def environment(self) -> dict[str, str]:
        """Return the environment for tools/faults.c."""
        if not self.number:
            return {}
        what = f"SIG{self.signal}" if self.signal else self.name
        what = what if what == "short" or self.signal else str(getattr(errno, self.name))
        sticky = {"FAULT_STICKY": "1"} if self.is_sticky else {}
        return {"FAULT_CALLS": self.kinds, "FAULT_AT": str(self.number), "FAULT_DO": what, **sticky}


@dataclass
class _Known:
    """What an undisturbed run of a command does."""

    states: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)


def main() -> int:
    """Try faults until the time is over; the exit status is 1 when there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tries", type=int, default=0, help="of each command, instead of seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", action="store_true", help="signals alone")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--again", default="", help="one try: COMMAND:NUMBER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="photon-faults-") as folder:
        return _Faults(options, Path(folder)).run()


class _Faults:
    """A run of the tool."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._library = folder / "faults.so"
        source = Path(__file__).with_suffix(".c")
        compile_it = ["cc", "-O1", "-w", "-shared", "-fPIC", "-o", str(self._library), str(source)]
        subprocess.run(compile_it, check=True)
        self._known: dict[str, _Known] = {}
        self._hit: Counter[str] = Counter()
        self._tried: Counter[str] = Counter()
        self._codes: dict[str, Counter[str]] = {}
        self._found = 0

    def run(self) -> int:
        """Try all commands in turn."""
        wanted = self._options.only or list(COMMANDS)
        if self._options.again:
            name, _, number = self._options.again.partition(":")
            self._try(name, int(number))
            return self._report()
        end = time.monotonic() + self._options.seconds
        number = 0
        while (number < self._options.tries) if self._options.tries else time.monotonic() < end:
            for name in wanted:
                self._try(name, number)
            number += 1
        return self._report()

    def _try(self, name: str, number: int) -> None:
        """Run a command with one fault, look at what is there, and run it again."""
        command, rng = COMMANDS[name], random.Random(f"{self._options.seed}:{name}:{number}")
        known = self._known.get(name) or self._learn(command)
        fault = self._choose(rng, known)
        with open_site(self._folder / "site", command) as site:
            problems = self._watch(site, command, known, fault)
        self._tried[name] += 1
        for problem in problems:
            self._found += 1
            print(f"FINDING {name}:{number} {fault}\n  {problem}", flush=True)

    def _choose(self, rng: random.Random, known: _Known) -> Fault:
        """Return a fault that hits the command while it works."""
        if self._options.kills or rng.random() < _SIGNALLED:
            name = rng.choice(_SIGNALS).name
            if rng.random() < _TIMED:
                return Fault("", 0, name, seconds=rng.uniform(*known.seconds))
            kinds = rng.choice((*known.counts, "write,copy,rename,link,fsync,unlink,create"))
        else:
            kinds = rng.choice(list(known.counts))
            name = rng.choice(_CALLS[kinds])
        total = sum(known.counts.get(kind, 0) for kind in kinds.split(","))
        is_sticky = not name.startswith("SIG") and name not in _HARMLESS and rng.random() < _STUCK
        return Fault(kinds, rng.randint(1, total), name, is_sticky)

    def _learn(self, command: Command) -> _Known:
        """Run a command without faults: what it makes, what it calls, how long it takes."""
        known = self._known[command.name] = _Known()
        with open_site(self._folder / "site", command) as site:
            known.states["old"] = state_of(site, command)
            log = self._folder / "calls"
            log.unlink(missing_ok=True)
            counted = {"FAULT_CALLS": ",".join(_CALLS), "FAULT_COUNT": str(log)}
            done = self._start(site, command, counted)
            told = done.communicate()[1]
            if done.returncode != command.code:
                raise SystemExit(f"{command.name}: exit {done.returncode}: {told}")
            known.states["new"] = state_of(site, command)
            known.counts = dict(Counter(line.split()[0] for line in log.read_text().splitlines()))
        with open_site(self._folder / "site", command) as site:
            begun = time.monotonic()
            self._start(site, command, {}).communicate()
            whole = time.monotonic() - begun
        known.seconds = (min(0.12, whole / 3), whole * 0.98)
        print(f"{command.name}: {whole:.2f} s, {known.counts}", flush=True)
        return known

    def _start(
        self, site: Site, command: Command, extra: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        """Start a command; the faults count below its folder alone."""
        preload = {"LD_PRELOAD": str(self._library), "FAULT_BELOW": str(site.folder)}
        return subprocess.Popen(
            [sys.executable, "-m", "builder", *command.arguments(site)],
            cwd=site.folder,
            env={**site.environment(), **(preload if extra else {}), **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _watch(self, site: Site, command: Command, known: _Known, fault: Fault) -> list[str]:
        """Run with the fault and without; returns what is wrong."""
        log = self._folder / "hit"
        log.unlink(missing_ok=True)
        begun = time.monotonic()
        process = self._start(site, command, {**fault.environment(), "FAULT_COUNT": str(log)})
        if not fault.number:
            time.sleep(fault.seconds)
            is_hit = process.poll() is None
            process.send_signal(fault.signal)
        try:
            said = process.communicate(timeout=_LIMIT_SECONDS)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return [f"a hang: {process.communicate()[1]}"]
        spent, code = time.monotonic() - begun, process.returncode
        is_hit = log.exists() if fault.number else is_hit
        self._hit[command.name] += is_hit
        problems = [f"it took {spent:.1f} s"] if spent > 2 * known.seconds[1] + 5 else []
        problems += _judge_end(fault, code, said) if is_hit else []
        problems += _judge_session(process.pid)
        problems += _judge_files(site, command, known, fault, code)
        end = f"{fault.name if fault.signal else 'error'} {code}"
        self._codes.setdefault(command.name, Counter())[end] += is_hit
        again = self._start(site, command, {})
        later = again.communicate()[1]
        if again.returncode != command.code:
            problems.append(f"the next run: exit {again.returncode}: {later}")
        elif (state := state_of(site, command)) != known.states["new"]:
            problems.append(f"the next run made something else: {_differing(state, known)}")
        problems += site.judge_cache()
        hit = log.read_text().strip() if log.exists() else ""
        return [f"{one}\n  hit {hit}\n  {said.strip()}" for one in problems]

    def _report(self) -> int:
        """Print what was tried."""
        for name, count in self._tried.items():
            ends = ", ".join(f"{end}: {n}" for end, n in sorted(self._codes[name].items()))
            print(f"{name:14} {count:5} tries, {self._hit[name]:5} hit it at work; {ends}")
        print(f"{sum(self._tried.values())} tries, {self._found} findings")
        return int(bool(self._found))


def _judge_end(fault: Fault, code: int, said: str) -> list[str]:
    """Return what is wrong with exit code and messages."""
    if "Traceback" in said or "this is a bug" in said:
        return [f"exit {code} with a traceback"]
    if fault.signal:
        fine = {-signal.SIGKILL} if fault.name == "SIGKILL" else {0, 130, -fault.signal}
        fine |= {10} if fault.number else set()  # it hit one of several processes
        return [] if code in fine else [f"exit {code} after {fault.name}"]
    if fault.name in _HARMLESS:
        return [] if code == 0 else [f"exit {code} after {fault.name}, which harms nothing"]
    if code not in _ENDS:
        return [f"exit {code}; wanted 10"]
    errors = {line.strip() for line in said.splitlines() if _ERROR.search(line)}
    says_where = any(word in line for line in errors for word in _PLACES)
    if code and not says_where:
        return [f"exit {code}; wanted a sentence that says where"]
    return []


def _judge_session(session: int) -> list[str]:
    """Return which processes of a session outlive it by more than a moment."""
    end = time.monotonic() + 3
    while True:
        left = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:
                continue
            values = text.rpartition(")")[2].split()
            if int(values[3]) == session and values[0] != "Z":
                left.append(text.split()[0])
        if not left or time.monotonic() > end:
            return [f"processes are left: {left}"] if left else []
        time.sleep(0.02)


def _judge_files(site: Site, command: Command, known: _Known, fault: Fault, code: int) -> list[str]:
    """Return what lies where nothing, or something else, should lie."""
    problems = []
    state, old, new = state_of(site, command), known.states["old"], known.states["new"]
    for name, digest in state.items():
        is_part = fault.name == "SIGKILL" and command.is_part(name)
        if digest not in {old.get(name), new.get(name)} and not is_part:
            problems.append(f"{name} is neither what it was nor what it should become")
    if command.whole:
        made = {*old.values(), *new.values()}
        others = state_of(site, command, command.whole)
        problems += [f"{name} is half" for name, digest in others.items() if digest not in made]
    problems += [f"{name} is gone" for name in old if name in new and name not in state]
    if code == command.code and fault.name != "SIGKILL" and state != new:
        problems.append(f"exit {code}, but: {_differing(state, known)}")
    left = [path.name for path in site.temporary.iterdir()]
    if left and fault.name != "SIGKILL" and fault.kinds != "unlink":
        problems.append(f"TMPDIR holds {left}")
    return problems


def _differing(state: Mapping[str, str], known: _Known) -> str:
    """Return the names that are not as an undisturbed run leaves them."""
    new = known.states["new"]
    return ", ".join(sorted(name for name in {*state, *new} if state.get(name) != new.get(name)))


if __name__ == "__main__":
    sys.exit(main())
