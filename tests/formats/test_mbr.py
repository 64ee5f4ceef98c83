"""PC partition tables, and which of the two tables a disk has."""

import json
import struct
import uuid
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import MIB, SECTOR, FileDisk, Partition
from builder.formats.gpt import write_gpt
from builder.formats.mbr import read_mbr, write_mbr
from builder.formats.partitions import read_partitions
from tests.support.judges import judge
from tests.support.loop_cards import attach

SIZE = 64 * MIB
BOOT = Partition(1, MIB, 8 * MIB, "0c", "cafe0001-01")
ROOT = Partition(2, 9 * MIB, 50 * MIB, "83", "cafe0001-02")
SCRIPT = """label: dos
label-id: 0x0badcafe
unit: sectors
2048 8192 c *
10240 8192 83
18432 90112 5
20480 8192 83
30720 8192 82
40960 8192 83
"""


def make_empty_disk(path: Path, size: int = SIZE) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """Two primary and three logical partitions, made by sfdisk."""
    path = make_empty_disk(tmp_path / "disk.raw")
    judge("sfdisk", path, text=SCRIPT)
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = make_empty_disk(tmp_path / "ours.raw")
    with FileDisk(path, writable=True) as disk:
        write_mbr(disk, (BOOT, ROOT), 0xCAFE0001)
    return path


def logical_table(disk: FileDisk, number: int) -> int:
    """Return the sector of a table in the chain."""
    sector = 18432
    for _ in range(number):
        sector = 18432 + struct.unpack_from("<I", disk.read(sector * SECTOR, SECTOR), 0x1D6)[0]
    return sector


def test_primary_and_logical_partitions_are_those_of_sfdisk(extended: Path) -> None:
    table = json.loads(judge("sfdisk", "--json", extended).stdout)["partitiontable"]
    wanted = [
        (one["start"] * SECTOR, one["size"] * SECTOR, f"{int(one['type'], 16):02x}")
        for one in table["partitions"]
        if one["type"] != "5"
    ]
    with FileDisk(extended) as disk:
        found = read_partitions(disk)
    assert [(one.offset, one.size, one.type) for one in found] == wanted
    assert [one.number for one in found] == [1, 2, 5, 6, 7]
    assert [one.uuid for one in found] == [f"0badcafe-{n:02x}" for n in (1, 2, 5, 6, 7)]


def test_sfdisk_reads_what_is_written(ours: Path) -> None:
    table = json.loads(judge("sfdisk", "--json", ours).stdout)["partitiontable"]
    assert table["id"] == "0xcafe0001"
    assert [(one["start"], one["size"], one["type"]) for one in table["partitions"]] == [
        (2048, 16384, "c"),
        (18432, 102400, "83"),
    ]
    with FileDisk(ours) as disk:
        assert read_mbr(disk) == (BOOT, ROOT)


def test_boot_code_survives_writing(ours: Path) -> None:
    with FileDisk(ours, writable=True) as disk:
        disk.write(0, b"\xfa boot code")
        write_mbr(disk, [ROOT], 7)
        assert disk.read(0, 11) == b"\xfa boot code"
        assert read_mbr(disk)[0].uuid == "00000007-02"


def test_a_chain_that_loops_is_refused(extended: Path) -> None:
    with FileDisk(extended, writable=True) as disk:
        second = logical_table(disk, 1)
        disk.write(second * SECTOR + 0x1D6, struct.pack("<I", second - 18432))
        with pytest.raises(FormatError, match=f"loops at sector {second}"):
            read_mbr(disk)


@pytest.mark.parametrize(
    ("offset", "raw", "message"),
    [
        (0x1FE, b"\0\0", "is not a table of logical partitions"),
        (
            0x1D6,
            struct.pack("<I", 1 << 31),
            "said to be in sector 2147502080, the disk's last is 131071",
        ),
        (0x1CA, struct.pack("<I", 1 << 31), r"partition 6 ends at byte \d+ of 67108864"),
    ],
    ids=["signature", "wild", "too long"],
)
def test_a_damaged_chain_is_refused(offset: int, raw: bytes, message: str, extended: Path) -> None:
    with FileDisk(extended, writable=True) as disk:
        disk.write(logical_table(disk, 1) * SECTOR + offset, raw)
        with pytest.raises(FormatError, match=message):
            read_partitions(disk)


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ([Partition(5, MIB, MIB, "83", "")], "no entry can hold partition 5"),
        ([Partition(1, MIB + 1, MIB, "83", "")], "no entry can hold partition 1"),
        ([Partition(1, 0, MIB, "83", "")], "at byte 0, wanted some at 512 or later"),
        ([Partition(1, MIB, 0, "83", "")], "has 0 bytes"),
        ([Partition(1, MIB, SIZE, "83", "")], "ends at byte"),
        ([BOOT, Partition(2, 2 * MIB, MIB, "83", "")], "partition 2 has"),
    ],
    ids=["number", "unaligned", "start", "empty", "end", "overlap"],
)
def test_partitions_that_do_not_fit_are_not_written(
    partitions: list[Partition], message: str, tmp_path: Path
) -> None:
    path = make_empty_disk(tmp_path / "disk.raw", SIZE)
    with FileDisk(path, writable=True) as disk:
        with pytest.raises(FormatError, match=message):
            write_mbr(disk, partitions, 1)
        assert disk.read(0, SECTOR) == bytes(SECTOR)


@pytest.mark.parametrize("size", [0, 1, 511, 512, MIB, 20 * MIB])
def test_a_disk_cut_short_is_refused(size: int, ours: Path) -> None:
    with ours.open("r+b") as stream:
        stream.truncate(size)
    with FileDisk(ours) as disk, pytest.raises(FormatError):
        read_partitions(disk)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("mke2fs", ("-q", "-t", "ext4"), "a bare ext2, ext3 or ext4 filesystem"),
        ("mkfs.fat", ("-F", "16"), "a bare FAT filesystem"),
        ("mkfs.fat", ("-F", "32"), "a bare FAT filesystem"),
        ("mkswap", (), "it holds swap"),
    ],
    ids=["ext4", "FAT16", "FAT32", "swap"],
)
def test_a_bare_filesystem_is_named(
    tool: str, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    path = make_empty_disk(tmp_path / "disk.raw")
    judge(tool, *arguments, path)
    with FileDisk(path) as disk, pytest.raises(FormatError, match=message) as caught:
        read_partitions(disk)
    assert "whole disk" in caught.value.hint


def test_an_iso_is_named(tmp_path: Path) -> None:
    path = tmp_path / "disk.iso"
    content = tmp_path / "content"
    content.mkdir()
    (content / "file").write_bytes(b"x")
    judge("xorriso", "-as", "mkisofs", "-quiet", "-o", path, content)
    with FileDisk(path) as disk, pytest.raises(FormatError, match="an ISO 9660 filesystem"):
        read_partitions(disk)


@pytest.mark.parametrize(
    ("sector", "message"),
    [
        (bytes(SECTOR), "its first sector is empty"),
        (b"text" * 128, "its first sector is not an MBR"),
        (b"\x90" * 510 + b"\x55\xaa", "its first sector is not an MBR"),
        (bytes(510) + b"\x55\xaa", "its first sector is not an MBR"),
    ],
    ids=["zeros", "text", "boot code", "nothing but a signature"],
)
def test_a_disk_without_a_table_says_what_is_there(
    sector: bytes, message: str, tmp_path: Path
) -> None:
    path = make_empty_disk(tmp_path / "disk.raw")
    with FileDisk(path, writable=True) as disk:
        disk.write(0, sector)
        with pytest.raises(FormatError, match=message):
            read_partitions(disk)


def test_a_gpt_without_its_protective_mbr_is_named(tmp_path: Path) -> None:
    path = make_empty_disk(tmp_path / "disk.raw")
    with FileDisk(path, writable=True) as disk:
        write_gpt(disk, (), uuid.UUID(int=5))
        disk.write(0, bytes(SECTOR))
        with pytest.raises(FormatError, match="no protective MBR"):
            read_partitions(disk)


LARGE_SCRIPTS = {
    "primary": "label: dos\n256,2560,c\n2816,,83\n",
    "logical": "label: dos\n256,2560,c\n2816,,5\n3072,4096,83\n",
}


@pytest.mark.parametrize("kind", LARGE_SCRIPTS)
def test_a_table_in_sectors_of_4096_bytes_is_told_by_what_it_leads_to(
    kind: str, tmp_path: Path
) -> None:
    path = make_empty_disk(tmp_path / "large.raw")
    with attach(path, "--sector-size", "4096") as loop:
        judge("sfdisk", "-q", loop.device, text=LARGE_SCRIPTS[kind])
        told = judge("parted", "--script", "--machine", loop.device, "print").stdout
        assert ":4096:4096:msdos:" in told
    judge("mkfs.fat", "-S", "4096", "--offset=256", path, "10240")
    with FileDisk(path) as disk, pytest.raises(FormatError) as caught:
        read_partitions(disk)
    assert str(caught.value) == "MBR: the disk has sectors of 4096 bytes, wanted 512"
    assert "image for disks with sectors of 512 bytes" in caught.value.hint


@pytest.mark.parametrize("is_formatted", [False, True])
def test_a_filesystem_elsewhere_does_not_make_a_disk_one_of_large_sectors(
    is_formatted: bool, tmp_path: Path
) -> None:
    """Where partitions of 512-byte sectors hold what is known, it does not matter what lies on."""
    path = make_empty_disk(tmp_path / "disk.raw")
    judge("sfdisk", "-q", path, text="label: dos\n2048,,83\n")
    judge("mkfs.ext4", "-q", "-E", f"offset={8 * MIB}", path, "8M")
    if is_formatted:
        judge("mkfs.ext4", "-q", "-E", f"offset={MIB}", path, "4M")
        with FileDisk(path) as disk:
            assert [part.offset for part in read_partitions(disk)] == [MIB]
        return
    with FileDisk(path) as disk, pytest.raises(FormatError, match="sectors of 4096 bytes"):
        read_partitions(disk)
