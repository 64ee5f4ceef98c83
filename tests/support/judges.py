"""Foreign tools that judge what this project writes; the tests' only way to run one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CI = os.environ.get("CI") == "true"
_SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def require(tool: str) -> str:
    """Return the tool's path; a missing tool skips here and fails in CI."""
    found = shutil.which(tool, path=_SEARCH)
    if found:
        return found
    message = f"the judge {tool} is not installed; `make judges` installs it on Debian and Ubuntu"
    if CI:
        pytest.fail(message)
    pytest.skip(message)


def judge(
    tool: str,
    *arguments: str | Path,
    text: str | None = None,
    check: bool = True,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a foreign tool and return what it said; a non-zero exit fails the test.

    Args:
        tool: Program name.
        *arguments: Its arguments.
        text: Standard input.
        check: Whether a non-zero exit status fails.
        env: Variables added to the environment.
    """
    run = subprocess.run(
        [require(tool), *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env={**os.environ, "LC_ALL": "C", **(env or {})},
        check=False,
    )
    if check and run.returncode:
        pytest.fail(f"{tool} {' '.join(map(str, arguments))}: {run.stdout}\n{run.stderr}")
    return run
