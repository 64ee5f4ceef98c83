"""Two interrupts of a process of its own, the second while the first is being told."""

import subprocess
import sys

import pytest

from tests.support.program import PROJECT

PROGRAM = """
import os, signal, time
from builder.burn.interrupt import second_ends
write = os.write
def interrupted(fd, text):
    os.write = write
    os.kill(os.getpid(), signal.{name})
    return write(fd, text)
os.write = interrupted
with second_ends():
    os.kill(os.getpid(), signal.{name})
    time.sleep(9)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_second_interrupt_counts_while_the_first_is_told(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert "interrupted twice: ended at once" in done.stderr
