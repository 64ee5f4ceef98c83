"""GUID partition tables: sgdisk's and sfdisk's read by ours, ours by theirs."""

import json
import random
import struct
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import MIB, SECTOR, FileDisk, Partition
from builder.formats.gpt import check_gpt, read_gpt, read_gpt_table, write_gpt
from builder.formats.partitions import read_partitions
from tests.support.judges import judge

SIZE = 32 * MIB
LAST = SIZE // SECTOR - 1
DISK_GUID = uuid.UUID("0e4f5d9a-31a7-4f0f-8f8a-0c6f8f0f6a11")
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
PARTITIONS = (
    Partition(1, MIB, 4 * MIB, ESP, "11111111-2222-4333-8444-555555555555", "EFI System"),
    Partition(3, 5 * MIB, 26 * MIB, LINUX, "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "Wurzel äöü"),
)


def make_empty_disk(path: Path, size: int = SIZE) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = make_empty_disk(tmp_path / "ours.raw")
    with FileDisk(path, writable=True) as disk:
        write_gpt(disk, PARTITIONS, DISK_GUID, attributes={3: 4})
    return path


def test_what_sgdisk_makes_is_read(tmp_path: Path) -> None:
    path = make_empty_disk(tmp_path / "disk.raw")
    judge(
        "sgdisk",
        "-n",
        "1::+4M",
        "-t",
        "1:ef02",
        "-n",
        "2::+10M",
        "-t",
        "2:ef00",
        "-c",
        "2:boot",
        "-n",
        "3:",
        "-u",
        f"3:{PARTITIONS[1].uuid}",
        path,
    )
    with FileDisk(path) as disk:
        check_gpt(disk)
        first, second, third = read_partitions(disk)
    assert (first.offset, first.size) == (MIB, 4 * MIB)
    assert first.type == "21686148-6449-6E6F-744E-656564454649"
    assert (second.number, second.offset, second.size) == (2, 5 * MIB, 10 * MIB)
    assert (second.type, second.name) == (ESP, "boot")
    assert third.uuid == PARTITIONS[1].uuid
    assert third.type == LINUX


def test_sgdisk_finds_nothing_wrong_with_ours(ours: Path) -> None:
    assert "No problems found" in judge("sgdisk", "-v", ours).stdout
    found = judge("sgdisk", "-i", "3", ours).stdout
    assert PARTITIONS[1].uuid.upper() in found
    assert "Wurzel äöü" in found
    assert "Attribute flags: 0000000000000004" in found


def test_sfdisk_reads_ours_as_we_do(ours: Path) -> None:
    table = json.loads(judge("sfdisk", "--json", ours).stdout)["partitiontable"]
    assert uuid.UUID(table["id"]) == DISK_GUID
    with FileDisk(ours) as disk:
        partitions = read_partitions(disk)
    assert partitions == PARTITIONS
    assert [
        (one["start"] * SECTOR, one["size"] * SECTOR, one["type"], one["uuid"].lower())
        for one in table["partitions"]
    ] == [(one.offset, one.size, one.type, one.uuid) for one in partitions]


def test_the_whole_table_is_read_back(ours: Path) -> None:
    with FileDisk(ours) as disk:
        check_gpt(disk)
        table = read_gpt_table(disk)
    assert table.disk_guid == DISK_GUID
    assert table.attributes == {3: 4}
    assert (table.first_usable, table.end_usable) == (34 * SECTOR, SIZE - 33 * SECTOR)


def test_boot_code_survives_writing(ours: Path) -> None:
    with FileDisk(ours, writable=True) as disk:
        disk.write(0, b"\xeb\x63 boot code")
        write_gpt(disk, PARTITIONS, DISK_GUID)
        assert disk.read(0, 12) == b"\xeb\x63 boot code"
    assert "No problems found" in judge("sgdisk", "-v", ours).stdout


def test_the_backup_is_read_only_when_that_is_accepted(ours: Path) -> None:
    with FileDisk(ours, writable=True) as disk:
        disk.write(SECTOR + 40, b"\x55")
        with pytest.raises(FormatError, match="GPT: the checksum of its header is wrong"):
            read_gpt(disk)
        assert read_gpt(disk, accept_backup=True) == PARTITIONS
        disk.write(LAST * SECTOR, bytes(8))
        with pytest.raises(FormatError, match="^GPT: the checksum of its header is wrong"):
            read_gpt(disk, accept_backup=True)


def test_a_backup_that_differs_does_not_pass(ours: Path, tmp_path: Path) -> None:
    other = make_empty_disk(tmp_path / "other.raw")
    with FileDisk(ours, writable=True) as disk, FileDisk(other, writable=True) as second:
        write_gpt(second, PARTITIONS[:1], DISK_GUID)
        tail = 33 * SECTOR
        disk.write(SIZE - tail, second.read(SIZE - tail, tail))
        read_gpt(disk)
        with pytest.raises(FormatError, match="differ"):
            check_gpt(disk)


def test_a_disk_that_has_grown_reads_but_does_not_pass(ours: Path) -> None:
    with ours.open("r+b") as stream:
        stream.truncate(SIZE + MIB)
    with FileDisk(ours) as disk:
        assert read_gpt(disk) == PARTITIONS
        with pytest.raises(FormatError, match=f"copy is said to be in sector {LAST}"):
            check_gpt(disk)


def _field(offset: int, layout: str, value: int | bytes) -> Callable[[bytearray], None]:
    """Change a header's field and make its checksum right again."""

    def change(sector: bytearray) -> None:
        struct.pack_into(layout, sector, offset, value)
        struct.pack_into("<I", sector, 16, 0)
        struct.pack_into("<I", sector, 16, zlib.crc32(sector[:92]))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(_field(0, "8s", b"EFI PORT"), "sector 1 holds no header", id="magic"),
        pytest.param(_field(8, "<I", 0x20000), "revision 0x20000", id="revision"),
        pytest.param(_field(12, "<I", 91), "header of 91 bytes", id="short"),
        pytest.param(_field(12, "<I", 1 << 31), "header of 2147483648 bytes", id="long"),
        pytest.param(_field(24, "<Q", 2), "in sector 1 but says 2", id="place"),
        pytest.param(_field(48, "<Q", 10), "of 5632 that can be used", id="usable"),
        pytest.param(_field(40, "<Q", 4096), "begins at byte 1048576, before", id="first usable"),
        pytest.param(_field(72, "<Q", 1 << 60), "entries are said to be in sector", id="wild"),
        pytest.param(_field(72, "<Q", 3), "checksum of its entries", id="entries"),
        pytest.param(_field(72, "<Q", LAST), "of a disk of", id="entries at the end"),
        pytest.param(_field(80, "<I", 1 << 30), "1073741824 entries of 128", id="count"),
        pytest.param(_field(84, "<I", 64), "128 entries of 64 bytes", id="entry size"),
        pytest.param(_field(84, "<I", 0), "128 entries of 0 bytes", id="no entry size"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    change: Callable[[bytearray], None], message: str, ours: Path
) -> None:
    with FileDisk(ours, writable=True) as disk:
        sector = bytearray(disk.read(SECTOR, SECTOR))
        change(sector)
        disk.write(SECTOR, sector)
        with pytest.raises(FormatError) as caught:
            read_gpt(disk)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ([Partition(1, 0, MIB, ESP, PARTITIONS[0].uuid)], "begins at byte 0"),
        ([Partition(1, MIB, SIZE, ESP, PARTITIONS[0].uuid)], "that can be used"),
        ([Partition(1, MIB, 0, ESP, PARTITIONS[0].uuid)], "is 0 bytes long"),
        ([Partition(1, MIB, 700, ESP, PARTITIONS[0].uuid)], "is 700 bytes long"),
        ([Partition(129, MIB, MIB, ESP, PARTITIONS[0].uuid)], "number 129"),
        ([Partition(1, MIB, MIB, ESP, PARTITIONS[0].uuid, "n" * 37)], "is longer than 36"),
        ([*PARTITIONS, Partition(4, 6 * MIB, MIB, ESP, PARTITIONS[0].uuid)], "partition 4 begins"),
    ],
    ids=["start", "end", "empty", "unaligned", "number", "name", "overlap"],
)
def test_partitions_that_do_not_fit_are_not_written(
    partitions: list[Partition], message: str, tmp_path: Path
) -> None:
    path = make_empty_disk(tmp_path / "disk.raw")
    with FileDisk(path, writable=True) as disk:
        with pytest.raises(FormatError, match=message):
            write_gpt(disk, partitions, DISK_GUID)
        assert disk.read(0, SIZE) == bytes(SIZE)


@pytest.mark.parametrize("size", [SECTOR, 2 * SECTOR, 34 * SECTOR, MIB, 20 * MIB])
def test_a_disk_cut_short_is_refused(size: int, ours: Path) -> None:
    with ours.open("r+b") as stream:
        stream.truncate(size)
    with FileDisk(ours) as disk, pytest.raises(FormatError):
        read_partitions(disk)


def test_flipped_bits_are_noticed_by_the_checksums(ours: Path) -> None:
    source = random.Random(5)
    with FileDisk(ours, writable=True) as disk:
        for _ in range(300):
            offset = SECTOR + source.choice((source.randrange(92), source.randrange(512, 33 * 512)))
            old = disk.read(offset, 1)
            disk.write(offset, bytes([old[0] ^ 1 << source.randrange(8)]))
            with pytest.raises(FormatError):
                read_gpt(disk)
            disk.write(offset, old)
        assert read_gpt(disk) == PARTITIONS


def test_a_disk_with_large_sectors_is_refused_by_name(tmp_path: Path) -> None:
    path = make_empty_disk(tmp_path / "disk.raw")
    with FileDisk(path, writable=True) as disk:
        write_gpt(disk, PARTITIONS, DISK_GUID)
        disk.write(4096, disk.read(SECTOR, 92))
        disk.write(SECTOR, bytes(SECTOR))
        with pytest.raises(FormatError, match="sectors of 4096 bytes"):
            read_partitions(disk)
