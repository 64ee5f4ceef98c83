"""What has to be confirmed before a disk is erased."""

from pathlib import Path

import pytest

from builder.burn.confirm import check_answer, is_large, needs_answer, token
from builder.burn.devices import Device
from builder.burn.options import BurnOptions
from builder.burn.personalise import settings_for
from builder.errors import DeviceError, UsageError
from builder.sizes import format_label_size
from builder.structs import replace
from tests.support.machines import GB, Machine, stick

SDB = Path("/dev/sdb")
YES = BurnOptions(yes=True)
PINNED = BurnOptions(yes=True, size=32 * GB)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    machine = Machine(tmp_path)
    stick(machine)
    return machine.device("sdb")


def test_the_confirmation_is_name_and_size(device: Device) -> None:
    assert token(device) == "sdb 32.0G"
    check_answer(device, "  sdb   32.0G ")
    for wrong in ("", "y", "yes", "sdb", "sdb 31.9G", "sdc 32.0G"):
        with pytest.raises(DeviceError, match="not confirmed"):
            check_answer(device, wrong)


@pytest.mark.parametrize(
    ("size", "image", "large"),
    [
        (128 * GB, 8 * GB, False),
        (128 * GB + 512, 8 * GB, True),
        (32 * GB, GB, False),
        (32 * GB + 512, GB, True),
    ],
)
def test_large_is_more_than_128_gb_or_32_times_the_image(
    device: Device, size: int, image: int, *, large: bool
) -> None:
    assert is_large(replace(device, size=size), image) is large


def test_burn_asks_unless_the_options_confirm_the_disk(device: Device) -> None:
    ask = BurnOptions()
    assert needs_answer(device, SDB, GB, ask, can_ask=True)
    assert needs_answer(device, SDB, GB, YES, can_ask=True)
    assert not needs_answer(device, SDB, GB, PINNED, can_ask=True)
    assert not needs_answer(device, SDB, GB, replace(ask, confirm=("sdb 32.0G",)), can_ask=True)


def test_without_a_terminal_yes_needs_an_option_that_names_the_disk(device: Device) -> None:
    by_id = Path("/dev/disk/by-id/usb-SanDisk_Ultra_4C53-0:0")
    assert not needs_answer(device, by_id, GB, YES, can_ask=False)
    assert not needs_answer(device, SDB, GB, PINNED, can_ask=False)
    with pytest.raises(DeviceError, match="--yes does not say which disk is meant") as caught:
        needs_answer(device, SDB, GB, YES, can_ask=False)
    assert "--confirm 'sdb 32.0G'" in caught.value.hint
    with pytest.raises(DeviceError, match="there is no terminal to ask on"):
        needs_answer(device, SDB, GB, BurnOptions(), can_ask=False)


def test_a_large_disk_needs_its_token_even_with_a_serial_or_size(device: Device) -> None:
    large, pinned = replace(device, size=2000 * GB), PINNED
    assert needs_answer(large, SDB, GB, pinned, can_ask=True)
    with pytest.raises(DeviceError, match="is large for this image"):
        needs_answer(large, SDB, GB, pinned, can_ask=False)
    named = replace(pinned, confirm=("sdb 2000.0G",))
    assert not needs_answer(large, SDB, GB, named, can_ask=False)


def test_sizes_are_those_that_cards_are_sold_by() -> None:
    assert format_label_size(31_914_983_424) == "31.9 GB"
    assert format_label_size(8_388_608) == "8.4 MB"


@pytest.mark.parametrize(
    "path",
    ["/dev/disk/by-id/../../sdb", "/dev/disk/by-id/x/../../../sdb", "/dev/disk/by-identity/x"],
)
def test_a_path_that_leaves_by_id_again_does_not_pin_a_disk(device: Device, path: str) -> None:
    with pytest.raises(DeviceError, match="--yes does not say which disk is meant"):
        needs_answer(device, Path(path), GB, YES, can_ask=False)


def test_each_of_several_disks_can_be_confirmed_in_advance(device: Device) -> None:
    both = replace(YES, confirm=("sdb 32.0G", "sdc 64.0G"))
    other = replace(device, name="sdc", size=64 * GB)
    assert not needs_answer(device, SDB, GB, both, can_ask=False)
    assert not needs_answer(other, SDB, GB, both, can_ask=False)
    with pytest.raises(DeviceError, match="not confirmed: 'sdb 32.0G', 'sdc 64.0G'; wanted 'sdd"):
        needs_answer(replace(device, name="sdd"), SDB, GB, both, can_ask=False)


BY_ID = Path("/dev/disk/by-id/usb-SanDisk_Ultra_4C53-0:0")


def test_a_setting_can_be_for_one_card_by_its_name_in_by_id() -> None:
    settings = [f"{BY_ID}:hostname=pi1", "/dev/sdb:hostname=pi2", "motd=a:b=c"]
    assert settings_for(BY_ID, [BY_ID, SDB], settings) == ["hostname=pi1", "motd=a:b=c"]
    assert settings_for(SDB, [BY_ID, SDB], settings) == ["hostname=pi2", "motd=a:b=c"]
    with pytest.raises(UsageError, match="/dev/disk/by-id/usb-X-0:0 is not among the devices"):
        settings_for(SDB, [SDB], ["/dev/disk/by-id/usb-X-0:0:hostname=pi1"])
