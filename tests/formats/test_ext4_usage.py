"""What of a filesystem is in use, judged by dumpe2fs."""

import re
from pathlib import Path

import pytest

from builder.formats.disk import MIB, FileDisk
from builder.formats.ext4 import Ext4
from tests.support.judges import judge

VARIANTS = {
    "as Photon makes it": (),
    "1 KiB blocks": ("-b", "1024"),
    "no flexible groups": ("-O", "^flex_bg"),
    "no checksums": ("-O", "^metadata_csum,^64bit"),
    "checksums of descriptors only": ("-O", "^metadata_csum,uninit_bg"),
}


def free_of(path: Path) -> set[int]:
    """Return the free blocks that dumpe2fs tells."""
    told = judge("dumpe2fs", path).stdout
    blocks: set[int] = set()
    for listed in re.findall(r"^  Free blocks: (.*)$", told, re.MULTILINE):
        for run in filter(None, listed.split(", ")):
            first, _, last = run.partition("-")
            blocks.update(range(int(first), int(last or first) + 1))
    return blocks


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_everything_but_free_blocks_and_untouched_inode_tables_is_in_use(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "fs"
    with path.open("wb") as stream:
        stream.truncate(300 * MIB)
    content = tmp_path / "content"
    content.mkdir()
    (content / "zeros").write_bytes(bytes(5 * MIB))
    judge("mke2fs", "-q", "-F", "-t", "ext4", "-d", content, *options, path)
    with FileDisk(path) as disk:
        filesystem = Ext4(disk, 0, timestamp=0)
        runs, size = list(filesystem.iter_used()), filesystem.block_size
    used = {block // size for at, length in runs for block in range(at, at + length, size)}
    free = free_of(path)
    count = int(re.findall(r"Block count: +(\d+)", judge("dumpe2fs", "-h", path).stdout)[0])
    first = int(size == 1024)
    assert not used & free
    assert max(used) < count == 300 * MIB // size
    rest = set(range(first, count)) - used - free
    untouched = {block for block in rest if block_is_zero(path, block, size)}
    assert rest == untouched, "only what was never written is left out"
    told = judge("dumpe2fs", path).stdout
    tables = sum(int(unused) * 256 // size for unused in re.findall(r"(\d+) unused inodes", told))
    assert len(rest) == (tables if "^metadata_csum,^64bit" not in options else 0)


def block_is_zero(path: Path, block: int, size: int) -> bool:
    """Tell a block of zeros."""
    with path.open("rb") as stream:
        stream.seek(block * size)
        return not any(stream.read(size))
