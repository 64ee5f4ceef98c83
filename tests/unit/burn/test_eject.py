"""Letting a card go, by stand-ins for the programs that do it: how they are called."""

from pathlib import Path

import pytest

from builder.burn.devices import Device
from builder.burn.eject import eject
from builder.structs import replace
from tests.support.machines import SATA, VIRTUAL, Machine, stick
from tests.support.stand_ins import StandIns, only

UDISKS = "udisksctl power-off --no-user-interaction -b /dev/sdb"
OUT = "ejected: it can be taken out"


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
         "everything is on it: it can be taken out"),
        ({}, [], "everything is on it: it can be taken out"),
    ],
)  # fmt: skip
def test_a_stick_is_let_go_by_what_there_is(
    stand_ins: StandIns, device: Device, programs: dict[str, int], calls: list[str], said: str
) -> None:
    for name, status in programs.items():
        stand_ins.add(name, f"exit {status}")
    assert eject(device) == said
    assert stand_ins.calls() == calls


def test_what_cannot_be_taken_out_is_not_ejected(
    stand_ins: StandIns, device: Device, tmp_path: Path
) -> None:
    stand_ins.add("udisksctl", "exit 0")
    machine = Machine(tmp_path / "other")
    machine.disk("sda", SATA)
    machine.disk("loop0", VIRTUAL)
    assert eject(machine.device("sda")) == eject(machine.device("loop0")) == ""
    assert stand_ins.calls() == []
    assert eject(replace(device, name="sdc")) == OUT
