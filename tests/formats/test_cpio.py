"""Initial RAM disks, compressed by the programs that compress them elsewhere."""

import random
import tracemalloc
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.cpio import iter_files
from tests.support.judges import judge
from tests.support.media import make_archive

COMMANDS = ["gzip -9", "xz --check=crc32", "zstd -19", "zstd -T0"]


def packed(command: str, data: bytes, scratch: Path) -> bytes:
    """Return what a program makes of bytes."""
    source, made = scratch / "plain", scratch / "packed"
    source.write_bytes(data)
    judge("sh", "-c", f'{command} <"$1" >"$2"', "sh", source, made)
    return made.read_bytes()


@pytest.mark.parametrize("command", [*COMMANDS, "cat"])
def test_every_compression_is_read_behind_an_archive_that_has_none(
    command: str, tmp_path: Path
) -> None:
    microcode = make_archive({"kernel/x86/microcode/x.bin": b"m" * 700})
    main = make_archive({"noise": random.Random(3).randbytes(3 << 20), "a/b.py": b"x = 1\n"})
    whole = microcode + bytes(300) + packed(command, main, tmp_path) + bytes(512)
    for size in (1 << 20, 4099):
        pieces = (whole[at : at + size] for at in range(0, len(whole), size))
        found = dict(iter_files(pieces, lambda name: name != "noise"))
        assert found == {"kernel/x86/microcode/x.bin": b"m" * 700, "a/b.py": b"x = 1\n"}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_archive_cut_short_in_its_compression_is_refused(command: str, tmp_path: Path) -> None:
    whole = packed(command, make_archive({"a": random.Random(4).randbytes(9000)}), tmp_path)
    for size in (*range(6, 40), *range(40, len(whole) - 1, 97), len(whole) - 1):
        with pytest.raises(FormatError):
            list(iter_files([whole[:size]], lambda _: True))


@pytest.mark.parametrize("command", ["gzip -9", "xz -1", "zstd -3"])
def test_what_unpacks_to_very_much_does_not_fill_memory(command: str, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    judge("sh", "-c", f'head -c 200M /dev/zero | {command} >"$1"', "sh", bomb)
    tracemalloc.start()
    assert list(iter_files([bomb.read_bytes()], lambda _: True)) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


def test_an_archive_of_many_files_is_read_in_the_time_of_its_bytes() -> None:
    files = {f"usr/lib/{at:06}": b"x" * (at % 300) for at in range(30_000)}
    whole = make_archive(files)
    assert dict(iter_files([whole], lambda _: True)) == files
