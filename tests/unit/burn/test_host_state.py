"""What a burn does with the host: eject, prevent sleep, handle two interrupts."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.burn.devices import Device
from builder.burn.host_state import eject, stay_awake
from builder.structs import replace
from tests.support.machines import SATA, VIRTUAL, Machine, stick
from tests.support.program import PROJECT
from tests.support.server import until
from tests.support.stand_ins import StandIns, only

UDISKS = "udisksctl power-off --no-user-interaction -b /dev/sdb"
OUT = "ejected: you can remove it"
UNTIL_STOPPED = "trap \"echo ended >> '{log}'; exit 0\" TERM\nwhile :; do /bin/sleep 0.05; done"

LOCK = (
    "--what=sleep:idle:handle-lid-switch --who=photon-builder --why=writing /dev/sdb "
    "--mode=block tail --pid={pid} -f /dev/null"
)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return only(tmp_path / "programs", monkeypatch)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    machine = Machine(tmp_path / "machine")
    stick(machine)
    return machine.device("sdb")


@pytest.mark.parametrize(
    ("programs", "calls", "said"),
    [
        ({"udisksctl": 0, "eject": 0}, [UDISKS], OUT),
        ({"udisksctl": 1, "eject": 0}, [UDISKS, "eject /dev/sdb"], OUT),
        ({"eject": 0}, ["eject /dev/sdb"], OUT),
        ({"udisksctl": 1, "eject": 1}, [UDISKS, "eject /dev/sdb"],
         "not ejected, but complete: you can remove it"),
        ({}, [], "not ejected, but complete: you can remove it"),
    ],
)  # fmt: skip
def test_a_stick_is_ejected_by_the_tool_that_works(
    stand_ins: StandIns, device: Device, programs: dict[str, int], calls: list[str], said: str
) -> None:
    for name, status in programs.items():
        stand_ins.add(name, f"exit {status}")
    assert eject(device) == said
    assert stand_ins.calls() == calls


def test_a_disk_that_is_not_removable_is_not_ejected(
    stand_ins: StandIns, device: Device, tmp_path: Path
) -> None:
    stand_ins.add("udisksctl", "exit 0")
    machine = Machine(tmp_path / "other")
    machine.disk("sda", SATA)
    machine.disk("loop0", VIRTUAL)
    assert eject(machine.device("sda")) == eject(machine.device("loop0")) == ""
    assert stand_ins.calls() == []
    assert eject(replace(device, name="sdc")) == OUT


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("systemd-inhibit", LOCK),
        ("caffeinate", "-i -s -w {pid}"),
    ],
)
def test_sleep_is_prevented_while_a_card_is_written(
    name: str, arguments: str, stand_ins: StandIns, device: Device
) -> None:
    stand_ins.add(name, UNTIL_STOPPED.format(log=stand_ins.log))
    with stay_awake([device]):
        call = f"{name} {arguments.format(pid=os.getpid())}"
        until(lambda: stand_ins.calls() == [call], 10)
        time.sleep(0.2)
        assert "ended" not in stand_ins.calls()
    until(lambda: stand_ins.calls()[-1] == "ended", 10)


def test_an_inhibitor_that_fails_is_ignored(stand_ins: StandIns, device: Device) -> None:
    stand_ins.add("systemd-inhibit", "exit 1")
    with stay_awake([device]):
        until(lambda: len(stand_ins.calls()) == 1, 10)


def test_a_system_without_an_inhibitor_burns_all_the_same(
    stand_ins: StandIns, device: Device
) -> None:
    with stay_awake([device]):
        assert stand_ins.calls() == []


PROGRAM = """
import os, signal, time
from builder.burn.host_state import end_on_second_interrupt
write = os.write
def interrupted(fd, text):
    os.write = write
    os.kill(os.getpid(), signal.{name})
    return write(fd, text)
os.write = interrupted
with end_on_second_interrupt():
    os.kill(os.getpid(), signal.{name})
    time.sleep(9)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_second_interrupt_counts_while_the_first_is_reported(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert "interrupted twice: ended at once" in done.stderr
