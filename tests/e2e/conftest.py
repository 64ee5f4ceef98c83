"""A folder for the program to work in."""

from pathlib import Path

import pytest

from tests.support.program import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty folder for the program."""
    return Bench(tmp_path)
