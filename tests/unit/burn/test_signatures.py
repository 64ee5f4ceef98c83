"""What disks are used for is named, as the programs that make them and blkid(8) see it."""

from pathlib import Path

import pytest

from builder.burn.confirm import describe_contents
from builder.burn.safety import pool_refusals
from builder.formats.disk import KIB, MIB
from tests.support.judges import judge
from tests.support.loop_cards import attach
from tests.support.machines import USB, Machine, stick
from tests.support.members import LABEL, RAID_PLACES, label_places, lay_label, lay_raid

SIZE = 48 * MIB + 200 * KIB  # whole labels of ZFS end before the disk does
POOL = "a member of the ZFS pool tank"
RAID = "a member of a Linux RAID"


def blank(folder: Path, size: int = SIZE) -> Path:
    path = folder / "disk"
    path.touch()
    with path.open("r+b") as stream:
        stream.truncate(size)
    return path


def blkid(path: Path) -> str:
    """Return what blkid(8) says a disk holds."""
    found = judge("blkid", "-p", "-o", "value", "-s", "TYPE", path, check=False)
    return found.stdout.strip()


def says(path: Path) -> str:
    return describe_contents(path, path.stat().st_size)


@pytest.mark.parametrize(
    ("line", "kind", "name", "size"),
    [
        ("cryptsetup luksFormat -q --type luks1 --iter-time 1 {} -", "crypto_LUKS", "LUKS", 48),
        (
            "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --iter-time 1 {} -",
            "crypto_LUKS",
            "LUKS",
            48,
        ),
        ("mkfs.ntfs -q -Q -F {}", "ntfs", "NTFS", 16),
        ("mkapfs {}", "apfs", "APFS", 128),
        ("mkfs.exfat {}", "exfat", "exFAT", 16),
        ("mkfs.fat {}", "vfat", "FAT", 16),
        ("mkfs.ext4 -q {}", "ext4", "ext4", 16),
        ("mkfs.btrfs -q {}", "btrfs", "Btrfs", 128),
        ("mkfs.xfs -q {}", "xfs", "XFS", 400),
        ("make-bcache -B {}", "bcache", "a bcache device", 16),
        ("make-bcache -C {}", "bcache", "a bcache device", 128),
        *((f"mkswap -p {page} {{}}", "swap", "swap", 16) for page in (4096, 8192, 16384, 65536)),
    ],
    ids=lambda value: value.partition("{")[0].strip() if isinstance(value, str) else str(value),
)
def test_what_a_program_made_of_a_disk_is_named(
    line: str, kind: str, name: str, size: int, tmp_path: Path
) -> None:
    path = blank(tmp_path, size * MIB)
    judge(*line.format(path).split(), text="secret")
    assert blkid(path) == kind
    assert says(path).startswith(name)


def test_a_physical_volume_of_lvm_is_named(tmp_path: Path) -> None:
    path = blank(tmp_path)
    with attach(path) as device:
        judge("pvcreate", "-ff", "-y", device.device)
        assert says_of_device(device.device) == "an LVM physical volume"
    assert blkid(path) == "LVM2_member"


def says_of_device(path: Path) -> str:
    size = int(judge("blockdev", "--getsize64", path).stdout)
    return describe_contents(path, size)


@pytest.mark.parametrize("size", [SIZE, SIZE + 5 * 512])
@pytest.mark.parametrize("version", RAID_PLACES)
def test_a_member_of_an_array_is_named_by_any_superblock(
    version: str, size: int, tmp_path: Path
) -> None:
    path = blank(tmp_path, size)
    lay_raid(path, version, size)
    assert blkid(path) == "linux_raid_member"
    assert says(path) == RAID


def test_a_superblock_of_a_big_endian_machine_counts_too(tmp_path: Path) -> None:
    path = blank(tmp_path)
    lay_raid(path, "0.90", SIZE, order=">")
    assert blkid(path) == "linux_raid_member"
    assert says(path) == RAID


def test_a_filesystem_on_an_array_does_not_hide_the_array(tmp_path: Path) -> None:
    path = blank(tmp_path)
    judge("mkfs.ext4", "-q", path, "40M")
    lay_raid(path, "1.0", SIZE)
    assert blkid(path) == "linux_raid_member"
    assert says(path) == f"{RAID} and ext4"


@pytest.mark.parametrize("version", ["0.90", "1.0", "1.2"])
def test_a_partition_in_an_array_is_told_from_its_disk(version: str, tmp_path: Path) -> None:
    path = blank(tmp_path)
    judge("sgdisk", "-n1:2048:+20M", "-n2:0:0", path)
    lay_raid(path, version, 20 * MIB, at=MIB)
    assert says(path) == f"partition 1 ({RAID} 21.0 MB), partition 2 (unknown 28.5 MB)"


@pytest.mark.parametrize("version", ["0.90", "1.0"])
def test_what_the_last_partition_is_part_of_is_not_said_of_the_disk(
    version: str, tmp_path: Path
) -> None:
    path = blank(tmp_path)
    judge("sfdisk", path, text="label: dos\nstart=2048, type=fd\n")
    lay_raid(path, version, SIZE - MIB, at=MIB)
    assert says(path) == f"partition 1 ({RAID} 49.5 MB)"


def test_an_array_over_whole_disks_is_named_beside_its_partitions(tmp_path: Path) -> None:
    path = blank(tmp_path)
    judge("sgdisk", "-n1:2048:+20M", path)
    lay_raid(path, "0.90", SIZE)
    assert says(path) == f"{RAID}, partition 1 (unknown 21.0 MB)"


@pytest.mark.parametrize("number", range(4))
def test_one_label_of_a_pool_is_enough(number: int, tmp_path: Path) -> None:
    path = blank(tmp_path)
    lay_label(path, label_places(SIZE)[number])
    assert says(path) == POOL


def test_the_labels_are_those_of_a_pool(tmp_path: Path) -> None:
    size = 128 * MIB + 200 * KIB  # that of the member that the label is from, and a bit more
    path = blank(tmp_path, size)
    for place in label_places(size):
        lay_label(path, place)
    assert blkid(path) == "zfs_member"
    assert judge("blkid", "-p", "-o", "value", "-s", "LABEL", path).stdout == "tank\n"
    assert says(path) == POOL


def test_a_pool_on_a_partition_is_named(tmp_path: Path) -> None:
    path = blank(tmp_path)
    judge("sgdisk", "-n1:2048:+20M", path)
    lay_label(path, MIB + 20 * MIB - LABEL)
    assert says(path) == f"partition 1 ({POOL} 21.0 MB)"


def test_a_label_that_is_cut_short_names_no_pool(tmp_path: Path) -> None:
    path = blank(tmp_path)
    lay_label(path, 0)
    with path.open("r+b") as stream:
        stream.seek(16 * KIB + 12)
        stream.write(bytes(100))
    assert says(path) == "a member of a ZFS pool"
    with path.open("r+b") as stream:
        stream.truncate(16 * KIB + 20)
    assert says(path) == "no partitions"


def test_a_disk_of_a_pool_in_use_is_refused_and_one_of_another_is_not(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    stick(machine, size=SIZE // 512 * 512)
    node = machine.root / "dev/sdb"
    node.parent.mkdir(parents=True)
    blank(tmp_path).rename(node)
    judge("sgdisk", "-n1:2048:+20M", node)
    lay_label(node, MIB)
    device = machine.device("sdb")
    assert not list(pool_refusals(device, machine.system))
    pools = machine.root / "proc/spl/kstat/zfs"
    (pools / "other").mkdir(parents=True)
    assert not list(pool_refusals(device, machine.system))
    (pools / "tank").mkdir()
    found = list(pool_refusals(device, machine.system))
    assert [each.text for each in found] == ["is part of the ZFS pool tank, which is in use"]
    machine.disk("sdc", USB)
    assert not list(pool_refusals(machine.device("sdc"), machine.system))


def test_a_table_that_is_damaged_is_not_called_an_empty_disk(tmp_path: Path) -> None:
    path = blank(tmp_path)
    assert says(path) == "no partitions"
    judge("sgdisk", "-n1:2048:+20M", path)
    with path.open("r+b") as stream:
        stream.seek(512 + 16)
        stream.write(b"wrong")
    assert says(path) == "a partition table that is damaged, or none"
