"""Programs that are not here, as scripts on PATH that write down how they were called."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class StandIns:
    """A folder of such programs."""

    folder: Path

    @property
    def log(self) -> Path:
        """Where the calls are, one a line."""
        return self.folder / "calls"

    def add(self, name: str, script: str) -> None:
        """Add a program; the script is of sh(1)."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.log}"\n{script}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        """Return the calls so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """Make PATH hold nothing but stand-ins."""
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return StandIns(folder)


def before(folder: Path, path: str | None = None) -> tuple[StandIns, str]:
    """Return stand-ins, and a PATH on which they come before all others."""
    folder.mkdir()
    return StandIns(folder), f"{folder}{os.pathsep}{path or os.environ['PATH']}"
