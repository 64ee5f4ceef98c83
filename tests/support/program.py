"""The program as a user runs it: a process with arguments, an environment and two streams."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the program gave."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with specs, overlays, a cache of its own and an output folder."""

    directory: Path

    @property
    def output(self) -> Path:
        """Where artifacts go."""
        return self.directory / "output"

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the variables that the program sees."""
        ours = ("PHOTON_BUILDER", "SUDO_USER")  # the latter's settings would count, too
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return {
            **kept,
            "PYTHONPATH": str(PROJECT),
            "PHOTON_BUILDER_CACHE": str(self.directory / "cache"),
            "XDG_CONFIG_HOME": str(self.directory / "config"),
            "NO_COLOR": "1",
            **extra,
        }

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line of the program."""
        return [sys.executable, "-m", "builder", *map(str, arguments)]

    def run(self, *arguments: str | Path, **extra: str) -> Run:
        """Run the program in the folder."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def run_on_terminal(self, *arguments: str | Path, **extra: str) -> Run:
        """Run the program with a terminal; ``out`` is what appears on it."""
        main, end = pty.openpty()
        environment = self.environment(**extra)
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env={k: v for k, v in environment.items() if extra.get(k) != "unset"},
            stdin=end,
            stdout=end,
            stderr=end,
        )
        os.close(end)
        seen = b""
        with suppress(OSError):  # the end of a terminal on Linux
            while piece := os.read(main, 4096):
                seen += piece
        os.close(main)
        return Run(process.wait(30), seen.decode(), "")

    def build(self, *arguments: str | Path, **extra: str) -> Path:
        """Build and return the artifact; anything else fails the test."""
        done = self.run("build", *arguments, **extra)
        assert done.code == 0, done.err
        return self.directory / done.out.splitlines()[-1]

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def files_below(directory: Path) -> dict[str, tuple[int, int]]:
    """Return name, size and time of every file below a folder."""
    return {
        str(path.relative_to(directory)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def names_in(directory: Path) -> list[str]:
    """Return the names of what is right in a folder, in order."""
    return sorted(path.name for path in directory.iterdir())
