"""A disk that is only looked at: reads see the writes, the file below does not."""

import random
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import FileDisk
from builder.formats.shadow import ShadowDisk

SIZE = 200_000


def test_reads_see_writes_and_the_file_does_not(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    chance = random.Random(7)
    model = bytearray(chance.randbytes(SIZE))
    path.write_bytes(model)
    before = bytes(model)
    with FileDisk(path) as below:
        disk = ShadowDisk(below)
        for _ in range(300):
            offset = chance.randrange(SIZE)
            length = chance.randrange(min(100_000, SIZE - offset) + 1)
            assert disk.read(offset, length) == model[offset : offset + length]
            data = chance.randbytes(length)
            disk.write(offset, data)
            model[offset : offset + length] = data
        assert disk.read(0, SIZE) == bytes(model)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (SIZE, 1), (SIZE - 1, 2)])
def test_what_is_not_on_the_disk_is_refused(offset: int, length: int, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(SIZE))
    with FileDisk(path) as below:
        with pytest.raises(FormatError):
            ShadowDisk(below).write(offset, bytes(length))
        with pytest.raises(FormatError):
            ShadowDisk(below).read(offset, length)


def test_blocks_that_changed_are_told_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(SIZE))
    with FileDisk(path) as below:
        disk = ShadowDisk(below)
        disk.write(3 * 65536 - 1, b"xy")
        changes = disk.changes()
    assert {at: len(block) for at, block in changes.items()} == {
        131072: 65536,
        196608: SIZE - 196608,
    }
    assert changes[131072][-1:] + changes[196608][:1] == b"xy"
