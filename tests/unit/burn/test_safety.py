"""The refusals, on machines made of directories."""

import os
import pwd
from pathlib import Path

import pytest

from builder.burn.config import list_path, protect
from builder.burn.options import BurnOptions
from builder.burn.safety import check, find_device, protected_refusals, refusals, source_refusals
from builder.burn.usage import DeviceUsage
from builder.errors import DeviceError
from tests.support.machines import GB, MMC, NVME, SATA, USB, VIRTUAL, Machine, stick


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.mount("/proc", "0:21", "proc")
    return machine


def named(serial: str) -> BurnOptions:
    """Say everything that can be said."""
    return BurnOptions(allow_fixed_disk=True, allow_loop=True, serial=serial, unmount=True)


def sata(machine: Machine, name: str = "sda") -> Path:
    return machine.disk(name, f"{SATA}/{name}", 500 * GB, serial=f"WD-{name}")


def test_an_unused_stick_is_not_refused(machine: Machine) -> None:
    stick(machine)
    machine.mount("/", machine.part(sata(machine), 1))
    assert machine.refused("sdb") == []


@pytest.mark.parametrize("point", ["/", "/usr", "/var", "/home", "/boot", "/boot/efi", "/efi"])
def test_the_disk_of_the_running_system_is_refused_with_every_option(
    machine: Machine, point: str
) -> None:
    machine.mount(point, machine.part(sata(machine), 2))
    assert machine.refused("sda", named("WD-sda")) == [
        f"this system runs from it: sda2 is mounted at {point}"
    ]


def test_a_system_on_a_stick_is_as_safe_as_one_on_a_disk(machine: Machine) -> None:
    machine.mount("/", machine.part(stick(machine), 3))
    assert "this system runs from it: sdb3 is mounted at /" in machine.refused("sdb")


def test_lvm_on_luks_leads_to_the_disk_below(machine: Machine) -> None:
    part = machine.part(sata(machine), 3)
    opened = machine.mapping("dm-0", "luks-1234", part)
    root = machine.mapping("dm-1", "vg-root", opened)
    machine.mount("/", root, source="/dev/mapper/vg-root")
    found = machine.refused("sda", named("WD-sda"))
    assert found[0] == "this system runs from it: dm-1 is mounted at /"
    assert found[1] == "is part of dm-0 (luks-1234)"


def test_both_disks_of_a_mirror_are_refused(machine: Machine) -> None:
    parts = [machine.part(sata(machine, name), 1) for name in ("sda", "sdb")]
    machine.mount("/", machine.mapping("md0", "", *parts))
    for name in ("sda", "sdb"):
        found = machine.refused(name, named(f"WD-{name}"))
        assert "this system runs from it: md0 is mounted at /" in found
        assert "is part of md0" in found


def test_a_member_of_an_array_that_is_not_mounted_is_refused(machine: Machine) -> None:
    machine.mapping("md0", "", sata(machine))
    assert machine.refused("sda", named("WD-sda")) == ["is part of md0"]


def test_a_btrfs_root_is_found_though_it_has_no_device_number(machine: Machine) -> None:
    machine.mount("/", "0:32", "btrfs", source=f"/dev/{machine.part(sata(machine), 2).name}")
    assert machine.refused("sda", named("WD-sda")) == [
        "this system runs from it: sda2 is mounted at /"
    ]


def test_every_disk_of_a_btrfs_over_several_is_refused(machine: Machine) -> None:
    first, second = sata(machine), sata(machine, "sdb")
    for disk in (first, second):
        (machine.root / "sys/fs/btrfs/0b1c/devices" / disk.name).mkdir(parents=True)
    machine.mount("/home", "0:33", "btrfs", source="/dev/sda")
    assert machine.refused("sdb", named("WD-sdb")) == [
        "this system runs from it: sda is mounted at /home"
    ]


def test_an_encrypted_btrfs_is_found_by_the_name_of_its_mapping(machine: Machine) -> None:
    machine.mapping("dm-0", "cryptroot", machine.part(sata(machine), 2))
    (machine.root / "dev/mapper/cryptroot").unlink()
    machine.mount("/", "0:34", "btrfs", source="/dev/mapper/cryptroot")
    assert "this system runs from it: dm-0 is mounted at /" in machine.refused("sda")


def test_an_overlay_as_root_leads_to_what_is_below_it(machine: Machine) -> None:
    machine.mount("/run/live/medium", machine.part(stick(machine), 3))
    folders = "lowerdir=/run/live/medium/a:/run/live/medium/b,upperdir=/run/up,workdir=/run/w"
    machine.mount("/", "0:40", "overlay", source="overlay", more=f"rw,{folders}")
    assert "this system runs from it: sdb3 is mounted at /" in machine.refused("sdb")


def test_an_overlay_of_itself_ends(machine: Machine) -> None:
    stick(machine)
    machine.mount("/", "0:40", "overlay", source="overlay", more="rw,lowerdir=/a,upperdir=/b")
    assert machine.refused("sdb") == []


def test_a_root_in_a_file_leads_through_its_loop_device(machine: Machine) -> None:
    machine.mount("/media/live", machine.part(stick(machine), 3))
    loop = machine.disk("loop0", VIRTUAL, loop__backing_file="/media/live/root.squashfs")
    machine.mount("/", loop, "squashfs")
    assert "this system runs from it: loop0 is mounted at /" in machine.refused("sdb")


@pytest.mark.parametrize("path", ["/dev/sda5", "/var/swapfile"])
def test_swap_is_never_erased(machine: Machine, path: str) -> None:
    disk = sata(machine)
    machine.part(disk, 5)
    machine.mount("/var/swap space", machine.part(disk, 6))
    machine.mount("/var", machine.part(stick(machine), 6))
    machine.swap(path)
    name = "sda" if path.startswith("/dev") else "sdb"
    part = "sda5" if path.startswith("/dev") else "sdb6"
    assert f"this system swaps to {part} on it" in machine.refused(name, named("WD-sda"))


def test_a_name_that_begins_like_another_is_another(machine: Machine) -> None:
    machine.disk("sda", f"{USB}/a", removable="1")
    machine.mount("/", machine.part(machine.disk("sdaa", f"{SATA}/aa"), 1))
    assert machine.refused("sda") == []


def test_a_mounted_stick_is_refused_until_unmounting_is_allowed(machine: Machine) -> None:
    disk = stick(machine)
    machine.mount("/media/my photos", disk / "sdb1")
    assert machine.refused("sdb") == ["is mounted: sdb1 at /media/my photos"]
    for number, name, link, place in (
        ("107", "bash", "cwd", "/media/my photos"),
        ("12", "eog", "fd/3", "/media/my photos/a.jpg"),
        ("7", "eog", "fd/3", "/media/my photos of 2020/b.jpg"),
        ("8", "init", "root", "/"),
    ):
        process = machine.root / "proc" / number
        (process / "fd").mkdir(parents=True)
        (process / "comm").write_text(f"{name}\n")
        (process / link).symlink_to(place)
    assert machine.refused("sdb") == [
        "is mounted: sdb1 at /media/my photos [used by eog (12), bash (107)]"
    ]
    assert machine.refused("sdb", BurnOptions(unmount=True)) == []


@pytest.mark.parametrize(
    ("where", "name", "transport"), [(SATA, "sda", "SATA"), (NVME, "nvme0n1", "NVMe")]
)
def test_a_fixed_disk_needs_to_be_allowed_and_named(
    machine: Machine, where: str, name: str, transport: str
) -> None:
    machine.disk(name, where, serial="S1")
    fixed = f"is a fixed disk ({transport}): it is not removable"
    assert machine.refused(name) == [fixed]
    assert machine.refused(name, BurnOptions(allow_fixed_disk=True)) == [fixed]
    assert machine.refused(name, BurnOptions(serial="S1")) == [fixed]
    assert machine.refused(name, BurnOptions(allow_fixed_disk=True, serial="S1")) == []
    assert "its serial number is S1; wanted S2" in machine.refused(name, named("S2"))


def test_an_emmc_is_a_fixed_disk_and_its_boot_area_is_always_refused(machine: Machine) -> None:
    machine.disk("mmcblk0", MMC, device__type="MMC")
    machine.disk("mmcblk0boot0", MMC)
    assert "is a fixed disk (eMMC): it is not removable" in machine.refused("mmcblk0")
    assert machine.refused("mmcblk0boot0", named(""))[0] == "is the boot area of an eMMC"


def test_a_loop_device_is_refused_until_it_is_allowed(machine: Machine) -> None:
    machine.disk("loop0", VIRTUAL)
    assert machine.refused("loop0") == ["is a loop device"]
    assert machine.refused("loop0", BurnOptions(allow_loop=True)) == []
    machine.disk("zram0", VIRTUAL)
    assert "is compressed memory" in machine.refused("zram0", BurnOptions(allow_loop=True))


def test_allowing_a_loop_device_lifts_nothing_else(machine: Machine) -> None:
    machine.mount("/var", machine.disk("loop0", VIRTUAL))
    assert machine.refused("loop0", named("")) == [
        "this system runs from it: loop0 is mounted at /var"
    ]


def test_an_empty_reader_and_a_locked_card_are_refused(machine: Machine) -> None:
    machine.disk("sdc", f"{USB}/c", 0)
    machine.disk("sdd", f"{USB}/d", ro="1")
    assert machine.refused("sdc") == ["has no medium in it: its size is zero"]
    assert machine.refused("sdd") == ["is read-only"]


@pytest.mark.parametrize(("wanted", "fits"), [(31 * GB, False), (32 * GB, True), (0, True)])
def test_a_size_pins_a_device_give_or_take_two_percent(
    machine: Machine, wanted: int, *, fits: bool
) -> None:
    stick(machine)
    assert (machine.refused("sdb", BurnOptions(size=wanted)) == []) is fits


def test_the_disk_of_the_image_is_refused(machine: Machine) -> None:
    disk = stick(machine)
    machine.mount("/media/usb", disk / "sdb2")
    device, backing = machine.device("sdb"), DeviceUsage(machine.system)
    found = list(source_refusals(device, backing, {"the image": Path("/media/usb/photon.xz")}))
    assert [each.text for each in found] == ["the image /media/usb/photon.xz is stored on it"]
    assert not list(source_refusals(device, backing, {"the image": Path("/srv/photon.xz")}))


def test_the_file_behind_a_loop_device_is_not_its_image(machine: Machine, tmp_path: Path) -> None:
    image = tmp_path / "photon.raw"
    machine.disk("loop0", VIRTUAL, loop__backing_file=str(image))
    found = source_refusals(
        machine.device("loop0"), DeviceUsage(machine.system), {"the image": image}
    )
    assert [each.text for each in found] == [f"the image {image} is the file behind it"]


def test_the_first_reason_is_the_message_and_the_others_are_notes(machine: Machine) -> None:
    machine.mount("/", sata(machine))
    machine.swap("/dev/sda")
    device = machine.device("sda")
    with pytest.raises(DeviceError) as caught:
        check(refusals(device, DeviceUsage(machine.system), BurnOptions()), device)
    assert str(caught.value) == "/dev/sda: this system runs from it: sda is mounted at /"
    assert "this system swaps to sda on it" in caught.value.__notes__
    assert caught.value.exit_code == 12


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return list_path()


def test_a_protected_disk_stays_refused_and_the_line_is_named(
    machine: Machine, config: Path
) -> None:
    stick(machine)
    device = machine.device("sdb")
    assert protect(device, machine.system) == "4C53  # SanDisk Ultra [31m 32.0 GB"
    protect(device, machine.system)
    assert config.read_text().count("\n") == 1
    found = [each.text for each in protected_refusals(device, machine.system)]
    assert found == [f"you protected it: {config}, line 1: 4C53"]


@pytest.mark.parametrize("serial", ["A[1]B", "A#B", "#A", "A *", "A #B", "[!x]", "A*?"])
def test_a_protected_disk_is_protected_whatever_its_serial_number_holds(
    machine: Machine, config: Path, serial: str
) -> None:
    machine.disk("sdc", f"{SATA}/c", serial=serial)
    machine.disk("sdd", f"{SATA}/d", serial="A1B")
    config.parent.mkdir(parents=True)
    config.write_text("mine")
    protect(machine.device("sdc"), machine.system)
    assert list(protected_refusals(machine.device("sdc"), machine.system))
    assert not list(protected_refusals(machine.device("sdd"), machine.system)), "another disk"
    assert config.read_text().startswith("mine\n")


def test_under_sudo_the_list_of_the_calling_user_counts(
    machine: Machine, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick(machine)
    theirs = tmp_path / "ann/.config/photon-builder/never-burn"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("4C53\n")
    assert not list(protected_refusals(machine.device("sdb"), machine.system))
    ann = pwd.struct_passwd(("ann", "x", 1000, 1000, "", str(tmp_path / "ann"), "/bin/sh"))
    monkeypatch.setattr("pwd.getpwnam", {"ann": ann}.__getitem__)
    monkeypatch.setenv("SUDO_USER", "ann")
    found = [each.text for each in protected_refusals(machine.device("sdb"), machine.system)]
    assert found == [f"you protected it: {theirs}, line 1: 4C53"]
    assert not config.exists()


def test_a_pattern_of_the_list_matches_names_by_id(machine: Machine, config: Path) -> None:
    stick(machine)
    links = machine.root / "dev/disk/by-id"
    links.mkdir(parents=True)
    (links / "usb-SanDisk_Ultra_4C53-0:0").symlink_to("../../sdb")
    config.parent.mkdir(parents=True)
    config.write_text("# mine\n\n/dev/disk/by-id/usb-SanDisk_*  # photos\n")
    found = [each.text for each in protected_refusals(machine.device("sdb"), machine.system)]
    assert found == [f"you protected it: {config}, line 3: usb-SanDisk_*"]
    assert not list(protected_refusals(machine.device("sdb1"), machine.system))


def test_a_disk_without_serial_and_id_cannot_be_protected(machine: Machine, config: Path) -> None:
    machine.disk("sdc", f"{SATA}/c")
    with pytest.raises(DeviceError, match="neither a serial number nor a name"):
        protect(machine.device("sdc"), machine.system)
    assert not config.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "No such file or directory; wanted a disk"),
        ("file", "is a regular file; wanted a disk"),
        ("folder", "is a folder; wanted a disk"),
        ("null", "is not a block device; wanted a disk"),
    ],
)
def test_a_path_that_is_not_a_block_device_is_refused_and_nothing_is_created(
    machine: Machine, tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to(os.devnull)
    with pytest.raises(DeviceError, match=sentence):
        find_device(machine.system, DeviceUsage(machine.system), tmp_path / name)
    assert (tmp_path / "file").read_text() == "kept"
    assert not (tmp_path / "missing").exists()
