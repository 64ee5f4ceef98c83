"""A plan leaves a real ext4 as it leaves a tree in memory, whatever the tree."""

from pathlib import Path

import pytest

from builder.changes import Remove
from builder.formats.ext4 import Ext4
from builder.formats.memory import MemoryDisk
from builder.guestpath import guest
from builder.roots.mounted import MountedRoot
from tests.support import random_trees
from tests.support.judges import judge

SIZE = 2 << 20


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("ext4") / "image"
    path.write_bytes(bytes(SIZE))
    judge("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", path)
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(120))
def test_ext4_becomes_what_a_tree_in_memory_becomes(
    seed: int, empty: bytes, tmp_path: Path
) -> None:
    disk = MemoryDisk(empty, name="image")
    root = MountedRoot({guest("/"): Ext4(disk, 0, timestamp=0)})
    root.apply(Remove(guest("/lost+found")))
    random_trees.check_same(root, seed)
    root.flush()
    if seed % 10 == 0:  # the judge takes its time
        (tmp_path / "image").write_bytes(disk.data)
        judge("e2fsck", "-fn", tmp_path / "image")
        again = MountedRoot(
            {guest("/"): Ext4(MemoryDisk(bytes(disk.data), name="again"), 0, timestamp=0)}
        )
        assert random_trees.rows(again) == random_trees.rows(root)
