"""Block maps: their ranges, their digests and their own digest."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from builder.formats.bmap import BLOCK, BackgroundMap, make_bmap
from builder.formats.disk import MIB
from builder.formats.sparse import STRETCH, SparseDisk, Window


def make(path: Path) -> str:
    with path.open("wb") as stream:
        stream.write(b"a" * 10)
        stream.seek(2 * MIB)
        stream.write(b"b" * 200_000)
        stream.truncate(10 * MIB + 512)
        stream.seek(10 * MIB)
        stream.write(b"c" * 512)
    fd = os.open(path, os.O_RDONLY)
    try:
        return make_bmap(Window(fd, 0, 10 * MIB + 512))
    finally:
        os.close(fd)


def test_a_card_written_by_the_map_is_the_image(tmp_path: Path) -> None:
    ranges = re.findall(r'<Range chksum="(\w+)"> (\S+) </Range>', make(tmp_path / "disk"))
    data = (tmp_path / "disk").read_bytes()
    card = bytearray(len(data))
    for digest, blocks in ranges:
        first, _, last = blocks.partition("-")
        start, end = int(first) * BLOCK, (int(last or first) + 1) * BLOCK
        assert digest == hashlib.sha256(data[start:end]).hexdigest()
        card[start:end] = data[start:end]
    assert bytes(card) == data


def test_the_counts_are_right(tmp_path: Path) -> None:
    told = dict(re.findall(r"<(\w+)> (\w+) </", make(tmp_path / "disk")))
    assert told["ImageSize"] == str(10 * MIB + 512)
    assert told["BlocksCount"] == "2561"
    assert told["MappedBlocksCount"] == str(16 + 64 + 1)


def test_the_map_has_its_own_digest(tmp_path: Path) -> None:
    text = make(tmp_path / "disk")
    own = text.partition("<BmapFileChecksum> ")[2][:64]
    assert hashlib.sha256(text.replace(own, "0" * 64).encode()).hexdigest() == own


def test_ranges_end_at_multiples_of_4_mib_and_zeros_that_were_written_are_in_none(
    tmp_path: Path,
) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as stream:
        stream.write(b"a" * (9 * MIB))
        stream.write(bytes(5 * MIB))
        stream.write(b"b" * 4096)
    size = path.stat().st_size
    with path.open("rb") as stream:
        text = make_bmap(Window(stream.fileno(), 0, size))
    found = re.findall(r"> (\S+) </Range>", text)
    assert found == ["0-1023", "1024-2047", "2048-2303", "3584"]


def test_zeros_in_use_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as stream:
        stream.truncate(16 * MIB)
    with path.open("rb") as stream:
        used = [(5 * MIB, 100_000), (15 * MIB, 2 * MIB)]
        text = make_bmap(Window(stream.fileno(), 0, 16 * MIB), used)
    assert re.findall(r"> (\S+) </Range>", text) == ["1280-1311", "3840-4095"]


def test_what_is_known_is_not_read_and_gives_the_same_map(tmp_path: Path) -> None:
    """Of a copy that was changed in three places: within data, in a hole, and where it grew."""
    path, copy = tmp_path / "disk", tmp_path / "copy"
    with path.open("wb") as stream:
        for stretch in (0, 1, 3, 5):
            stream.seek(stretch * STRETCH)
            stream.write(bytes([65 + stretch]) * (3 * MIB))
        stream.truncate(6 * STRETCH + MIB)
    background = BackgroundMap(path)
    shutil.copyfile(path, copy)
    with copy.open("r+b") as stream:
        disk = SparseDisk(stream.fileno(), 6 * STRETCH + MIB, name="copy")
        disk.write(STRETCH + MIB, b"within")
        disk.write(3 * STRETCH - 3, b"across")
        disk.grow(8 * STRETCH)
        disk.write(6 * STRETCH + 2 * MIB, b"grown")
        whole = Window(stream.fileno(), 0, disk.size)
        used = [(0, 4 * MIB), (7 * STRETCH, 10), (5 * STRETCH, 1000)]
        known = {at: row for at, row in background.stretches().items() if at not in disk.written}
        assert make_bmap(whole, used, known) == make_bmap(whole, used)
        assert set(known) == {0, 5 * STRETCH}
        # What is said to be known is believed: nobody reads it again.
        false = {at: [(0, 1, "f" * 64)] for at in known}
        assert make_bmap(whole, (), false).count("f" * 64) == 2
