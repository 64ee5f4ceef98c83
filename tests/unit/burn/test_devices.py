"""What the kernel tells of devices, on machines made of directories."""

from pathlib import Path

import pytest

from builder.burn.devices import clean, iter_devices
from tests.support.machines import GB, MMC, NVME, SATA, USB, VIRTUAL, Machine, stick


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_stick_is_removable_and_has_the_serial_of_its_usb_device(machine: Machine) -> None:
    stick(machine)
    found = machine.device("sdb")
    assert (found.transport, found.is_removable, found.serial) == ("USB", True, "4C53")
    assert found.size == 32 * GB // 512 * 512
    assert found.partitions == ("sdb1", "sdb2")
    assert found.describe() == "/dev/sdb  SanDisk Ultra [31m  32.0 GB  USB  serial …4C53"


def test_a_hard_disk_in_a_usb_case_is_removable_though_the_kernel_says_no(machine: Machine) -> None:
    machine.disk("sdc", USB, removable="0")
    assert machine.device("sdc").is_removable


def test_a_card_and_an_emmc_are_told_apart_by_their_type(machine: Machine) -> None:
    machine.disk("mmcblk0", MMC, device__type="MMC", device__name="DG4008", device__serial="0x1a")
    machine.disk("mmcblk1", MMC.replace("mmc0", "mmc1"), device__type="SD", device__name="SC32G")
    emmc, card = machine.device("mmcblk0"), machine.device("mmcblk1")
    assert (emmc.transport, emmc.is_removable, emmc.serial) == ("eMMC", False, "0x1a")
    assert (card.transport, card.is_removable, card.model) == ("SD", True, "SC32G")


def test_an_nvme_is_fixed_even_where_it_could_be_pulled_out(machine: Machine) -> None:
    machine.disk("nvme0n1", NVME, device__model="Samsung 980", device__serial="S64D", wwid="eui.1")
    found = machine.device("nvme0n1")
    assert (found.transport, found.is_removable) == ("NVMe", False)
    assert (found.serial, found.wwn) == ("S64D", "eui.1")


def test_a_sata_disk_tells_its_serial_in_a_page_of_scsi_data(machine: Machine) -> None:
    folder = machine.disk("sda", SATA, device__vendor="ATA", device__model="ST500")
    (folder / "device/vpd_pg80").write_bytes(b"\0\x80\0\x08WD-12345")
    assert machine.device("sda").serial == "WD-12345"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("loop3", "a loop device"),
        ("zram0", "compressed memory"),
        ("ram1", "a RAM disk"),
        ("dm-0", "a mapping (LVM, LUKS or multipath), not a disk"),
        ("md127", "a RAID array, not a disk"),
        ("nbd0", "a network block device"),
        ("mtdblock0", "a virtual device, not a disk"),
    ],
)
def test_what_is_no_disk_says_what_it_is(machine: Machine, name: str, what: str) -> None:
    machine.disk(name, VIRTUAL)
    assert machine.device(name).special == what


@pytest.mark.parametrize("name", ["mmcblk0boot0", "mmcblk0rpmb", "sr0"])
def test_areas_of_an_emmc_and_optical_drives_are_no_disks(machine: Machine, name: str) -> None:
    machine.disk(name, MMC)
    assert machine.device(name).special


def test_whole_devices_are_listed_in_the_order_in_which_people_count(machine: Machine) -> None:
    for name in ("sdaa", "sdb", "sda"):
        machine.part(machine.disk(name, f"{USB}/{name}"), 1)
    assert [device.name for device in iter_devices(machine.system)] == ["sda", "sdb", "sdaa"]


def test_nothing_is_listed_on_a_machine_without_sysfs(tmp_path: Path) -> None:
    assert list(iter_devices(Machine(tmp_path / "nowhere").system)) == []


def test_a_vendor_cannot_turn_the_direction_of_a_terminal() -> None:
    assert clean("San\u202eDisk\x1b[2J\nUltra\0 ") == "San Disk [2J Ultra"
