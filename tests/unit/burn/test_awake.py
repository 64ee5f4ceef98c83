"""Keeping the machine awake, by stand-ins for the programs that do it."""

import os
import time
from pathlib import Path

import pytest

from builder.burn.awake import stays_awake
from builder.burn.devices import Device
from tests.support.machines import Machine, stick
from tests.support.server import until
from tests.support.stand_ins import StandIns, only

UNTIL_STOPPED = "trap \"echo ended >> '{log}'; exit 0\" TERM\nwhile :; do /bin/sleep 0.05; done"

LOCK = (
    "--what=sleep:idle:handle-lid-switch --who=photon-builder --why=writing /dev/sdb "
    "--mode=block tail --pid={pid} -f /dev/null"
)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return only(tmp_path / "programs", monkeypatch)


@pytest.fixture
def devices(tmp_path: Path) -> list[Device]:
    machine = Machine(tmp_path / "machine")
    stick(machine)
    return [machine.device("sdb")]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("systemd-inhibit", LOCK),
        ("caffeinate", "-i -s -w {pid}"),
    ],
)
def test_the_machine_is_kept_awake_as_long_as_a_card_is_written(
    name: str, arguments: str, stand_ins: StandIns, devices: list[Device]
) -> None:
    stand_ins.add(name, UNTIL_STOPPED.format(log=stand_ins.log))
    with stays_awake(devices):
        call = f"{name} {arguments.format(pid=os.getpid())}"
        until(lambda: stand_ins.calls() == [call], 10)
        time.sleep(0.2)
        assert "ended" not in stand_ins.calls()
    until(lambda: stand_ins.calls()[-1] == "ended", 10)


def test_a_program_that_fails_is_no_hindrance(stand_ins: StandIns, devices: list[Device]) -> None:
    stand_ins.add("systemd-inhibit", "exit 1")
    with stays_awake(devices):
        until(lambda: len(stand_ins.calls()) == 1, 10)


def test_a_system_without_such_a_program_is_none_either(
    stand_ins: StandIns, devices: list[Device]
) -> None:
    with stays_awake(devices):
        assert stand_ins.calls() == []
