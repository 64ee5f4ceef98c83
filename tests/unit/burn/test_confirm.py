"""What has to be said before a disk is erased."""

from pathlib import Path

import pytest

from builder.burn.confirm import Said, check_answer, is_large, needs_answer, token
from builder.burn.devices import Device, format_size
from builder.cli.burn_options import own_settings
from builder.errors import DeviceError, UsageError
from builder.structs import replace
from tests.support.machines import GB, Machine, stick

SDB = Path("/dev/sdb")
ALONE = Said(SDB, yes=True, is_pinned=False)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    machine = Machine(tmp_path)
    stick(machine)
    return machine.device("sdb")


def test_the_token_is_name_and_size(device: Device) -> None:
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


def test_a_person_is_asked_unless_everything_was_said(device: Device) -> None:
    ask = replace(ALONE, yes=False)
    assert needs_answer(device, GB, ask, on_terminal=True)
    assert needs_answer(device, GB, ALONE, on_terminal=True)
    assert not needs_answer(device, GB, replace(ALONE, is_pinned=True), on_terminal=True)
    assert not needs_answer(device, GB, replace(ask, tokens=("sdb 32.0G",)), on_terminal=True)


def test_without_a_person_something_has_to_tell_which_disk(device: Device) -> None:
    by_id = Path("/dev/disk/by-id/usb-SanDisk_Ultra_4C53-0:0")
    assert not needs_answer(device, GB, replace(ALONE, path=by_id), on_terminal=False)
    assert not needs_answer(device, GB, replace(ALONE, is_pinned=True), on_terminal=False)
    with pytest.raises(DeviceError, match="--yes says nothing of which disk is meant") as caught:
        needs_answer(device, GB, ALONE, on_terminal=False)
    assert "--confirm 'sdb 32.0G'" in caught.value.hint
    with pytest.raises(DeviceError, match="nobody is there to confirm it"):
        needs_answer(device, GB, replace(ALONE, yes=False), on_terminal=False)


def test_a_large_disk_has_to_be_named_even_when_it_is_pinned(device: Device) -> None:
    large, pinned = replace(device, size=2000 * GB), replace(ALONE, is_pinned=True)
    assert needs_answer(large, GB, pinned, on_terminal=True)
    with pytest.raises(DeviceError, match="is large for this image"):
        needs_answer(large, GB, pinned, on_terminal=False)
    named = replace(pinned, tokens=("sdb 2000.0G",))
    assert not needs_answer(large, GB, named, on_terminal=False)


def test_sizes_are_those_that_cards_are_sold_by() -> None:
    assert format_size(31_914_983_424) == "31.9 GB"
    assert format_size(8_388_608) == "8.4 MB"


@pytest.mark.parametrize(
    "path",
    ["/dev/disk/by-id/../../sdb", "/dev/disk/by-id/x/../../../sdb", "/dev/disk/by-identity/x"],
)
def test_a_path_that_leaves_by_id_again_tells_no_disk_from_others(
    device: Device, path: str
) -> None:
    with pytest.raises(DeviceError, match="--yes says nothing of which disk is meant"):
        needs_answer(device, GB, replace(ALONE, path=Path(path)), on_terminal=False)


def test_each_of_several_disks_can_be_confirmed_in_advance(device: Device) -> None:
    both = replace(ALONE, tokens=("sdb 32.0G", "sdc 64.0G"))
    other = replace(device, name="sdc", size=64 * GB)
    assert not needs_answer(device, GB, both, on_terminal=False)
    assert not needs_answer(other, GB, both, on_terminal=False)
    with pytest.raises(DeviceError, match="not confirmed: 'sdb 32.0G', 'sdc 64.0G'; wanted 'sdd"):
        needs_answer(replace(device, name="sdd"), GB, both, on_terminal=False)


BY_ID = Path("/dev/disk/by-id/usb-SanDisk_Ultra_4C53-0:0")


def test_a_setting_can_be_for_one_card_by_its_name_in_by_id() -> None:
    settings = [f"{BY_ID}:hostname=pi1", "/dev/sdb:hostname=pi2", "motd=a:b=c"]
    assert own_settings(settings, BY_ID, [BY_ID, SDB]) == ["hostname=pi1", "motd=a:b=c"]
    assert own_settings(settings, SDB, [BY_ID, SDB]) == ["hostname=pi2", "motd=a:b=c"]
    with pytest.raises(UsageError, match="/dev/disk/by-id/usb-X-0:0 is not among the devices"):
        own_settings(["/dev/disk/by-id/usb-X-0:0:hostname=pi1"], SDB, [SDB])
