"""Filesystems made longer, judged by e2fsck, dumpe2fs and resize2fs."""

import re
from pathlib import Path

import pytest

from builder.errors import FormatError
from builder.formats.disk import GIB, MIB, FileDisk
from builder.formats.ext4 import Ext4
from builder.formats.ext4.resize import grow_ext4
from tests.support.judges import judge

VARIANTS = {
    "as Photon makes it": (512 * MIB, 4 * GIB, ()),
    "to many descriptor blocks": (128 * MIB, 24 * GIB, ("-b", "4096")),
    "by a part of a group": (200 * MIB, 230 * MIB, ()),
    "a tail too short for a group": (128 * MIB, 129 * MIB, ()),
    "1 KiB blocks": (64 * MIB, 400 * MIB, ("-b", "1024")),
    "no checksums": (128 * MIB, GIB, ("-O", "^metadata_csum,^64bit")),
    "checksums of descriptors only": (128 * MIB, GIB, ("-O", "^metadata_csum,uninit_bg")),
    "no flexible groups": (256 * MIB, GIB, ("-O", "^flex_bg")),
    "copies in every group": (256 * MIB, GIB, ("-b", "4096", "-O", "^sparse_super,^resize_inode")),
    "seed and orphan file": (256 * MIB, GIB, ("-O", "metadata_csum_seed,orphan_file")),
    "no journal": (256 * MIB, GIB, ("-O", "^has_journal")),
    "without a resize inode": (GIB, 4 * GIB, ("-b", "4096", "-O", "^resize_inode")),
}


def make(path: Path, size: int, longer: int, options: tuple[str, ...]) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)
    judge("mke2fs", "-q", "-F", "-t", "ext4", *options, path)
    with path.open("r+b") as stream:
        stream.truncate(longer)


@pytest.mark.parametrize(("size", "longer", "options"), VARIANTS.values(), ids=VARIANTS)
def test_a_longer_filesystem_is_sound_and_full_of_room(
    size: int, longer: int, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "fs"
    make(path, size, longer, options)
    with FileDisk(path, writable=True) as disk:
        before = Ext4(disk, 0, timestamp=0).free
        grow_ext4(disk, 0, longer, timestamp=1_700_000_000)
        grown = Ext4(disk, 0, timestamp=1_700_000_000)
        assert grown.size > longer - 130 * MIB
        assert grown.free >= before + (grown.size - size) // 3
        grown.make_directory("/new", mode=0o755, uid=0, gid=0)
        grown.flush()
    judge("e2fsck", "-fn", path)
    facts = judge("dumpe2fs", "-h", path).stdout
    count, block = (int(re.findall(rf"^{n}: +(\d+)", facts, re.MULTILINE)[0]) for n in
                    ("Block count", "Block size"))  # fmt: skip
    assert count * block == grown.size
    judge("resize2fs", "-P", path)


def test_the_copies_are_good_enough_to_repair_from(tmp_path: Path) -> None:
    path = tmp_path / "fs"
    make(path, 256 * MIB, 2 * GIB, ("-b", "4096"))
    with FileDisk(path, writable=True) as disk:
        grow_ext4(disk, 0, 2 * GIB, timestamp=1)
    with path.open("r+b") as stream:
        stream.write(bytes(2 * 4096))
    judge("e2fsck", "-fy", "-b", "32768", "-B", "4096", path, check=False)
    judge("e2fsck", "-fn", path)


def test_what_lay_behind_the_end_does_not_become_inodes(tmp_path: Path) -> None:
    path = tmp_path / "fs"
    make(path, 128 * MIB, 128 * MIB, ())
    with path.open("ab") as stream:
        stream.write(b"\xa5" * (384 * MIB))
    with FileDisk(path, writable=True) as disk:
        grow_ext4(disk, 0, 512 * MIB, timestamp=1)
    judge("e2fsck", "-fn", path)


def test_more_than_was_reserved_is_refused_with_the_most_that_is_possible(tmp_path: Path) -> None:
    path = tmp_path / "fs"
    make(path, 256 * MIB, 40 * GIB, ("-b", "4096", "-O", "^resize_inode"))
    with (
        FileDisk(path, writable=True) as disk,
        pytest.raises(FormatError, match="cannot be made longer than 8192 MiB"),
    ):
        grow_ext4(disk, 0, 40 * GIB, timestamp=1)
    judge("e2fsck", "-fn", path)


def test_a_copy_that_would_have_to_move_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fs"
    make(path, 512 * MIB, GIB, ("-O", "sparse_super2,^resize_inode"))
    with FileDisk(path, writable=True) as disk, pytest.raises(FormatError, match="sparse_super2"):
        grow_ext4(disk, 0, GIB, timestamp=1)
