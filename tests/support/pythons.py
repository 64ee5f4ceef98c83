"""Other Pythons of this machine: the engine has to run with the oldest that Photon has."""

import shutil
import subprocess
from pathlib import Path

import pytest


def python37() -> str:
    """Return an interpreter of the engine's oldest version; skip without one."""
    kept = Path.home() / ".pyenv/versions"
    found = sorted(kept.glob("3.7.*/bin/python3.7")) if kept.is_dir() else []
    for candidate in (*found, shutil.which("python3.7")):
        if candidate and runs(candidate):
            return str(candidate)
    pytest.skip("no python3.7 on this machine")


def runs(python: Path | str) -> bool:
    """Return whether an interpreter starts: one of pyenv's may be disabled."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
