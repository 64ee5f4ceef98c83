"""A network namespace of a test's own: kernel parameters and packet filters that nobody shares."""

import os

import pytest

from tests.support.judges import CI, judge


def run_in_namespace(script: str, *arguments: str) -> str:
    """Run a shell script in a network namespace that ends with it; returns what it printed."""
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("a network is made by root only: run it with sudo")
    return judge("unshare", "-m", "-n", "sh", "-eu", "-c", script, "sh", *arguments).stdout
