"""Whatever a tree looks like and whatever is done to it, a copy-on-write tree tells the truth."""

import io
import tarfile

import pytest

from builder.blob import Blob
from builder.changes import MakeDirectory, Remove, WriteFile
from builder.engine.memory import MemoryTree
from builder.engine.overlay import OverlayTree
from builder.guestpath import guest
from builder.roots.layer_file import write_layer
from tests.support import random_trees


@pytest.mark.parametrize("seed", range(300))
def test_what_was_kept_makes_the_base_what_the_overlay_shows(seed: int) -> None:
    random_trees.check_overlay(seed)


@pytest.mark.parametrize("seed", range(300))
def test_nothing_is_removed_twice(seed: int) -> None:
    random_trees.check_removals(seed)


def test_a_layer_names_a_removed_folder_alone() -> None:
    root = MemoryTree()
    root.apply(MakeDirectory(guest("/a")))
    root.apply(WriteFile(guest("/a/b"), Blob.text("x")))
    overlay = OverlayTree(root)
    overlay.apply(Remove(guest("/a/b")))
    overlay.apply(Remove(guest("/a")))
    out = io.BytesIO()
    write_layer(out, overlay.operations(), mtime=0)
    out.seek(0)
    with tarfile.open(fileobj=out) as layer:
        assert layer.getnames() == [".wh.a"]
