"""Differences between two trees."""

import pytest

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Owner, Remove, WriteFile
from builder.compare import compare
from builder.engine.memory import MemoryTree
from builder.guestpath import guest
from tests.support.roots import link, merged_root, put


def tree() -> MemoryTree:
    root = merged_root()
    put(root, "/opt/file", "old")
    put(root, "/opt/sub/deep/file", "x")
    link(root, "/opt/link", "file")
    return root


def write(path: str, text: str, mode: int = 0o644, owner: Owner = Owner()) -> WriteFile:  # noqa: B008 - immutable
    return WriteFile(guest(path), Blob.text(text), mode, owner)


CASES: dict[str, tuple[tuple[FileOp, ...], list[str]]] = {
    "nothing": ((), []),
    "content of equal length": ((write("/opt/file", "new"),), ["~ /opt/file content"]),
    "another length": ((write("/opt/file", "longer"),), ["~ /opt/file size 3 → 6"]),
    "mode and owner": (
        (write("/opt/file", "old", 0o600, Owner(7, 8)),),
        ["~ /opt/file mode 0644 → 0600, owner 0:0 → 7:8"],
    ),
    "a new file": ((write("/opt/new", "x"),), ["+ /opt/new "]),
    "a removed tree": (
        (Remove(guest("/opt/sub")),),
        ["- /opt/sub ", "- /opt/sub/deep ", "- /opt/sub/deep/file "],
    ),
    "another target": (
        (MakeSymlink(guest("/opt/link"), "sub"),),
        ["~ /opt/link target file → sub"],
    ),
    "another kind": (
        (Remove(guest("/opt/sub")), write("/opt/sub", "x")),
        ["~ /opt/sub directory → file", "- /opt/sub/deep ", "- /opt/sub/deep/file "],
    ),
    "mode of a directory": ((MakeDirectory(guest("/opt"), 0o700),), ["~ /opt mode 0755 → 0700"]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_difference_is_told_once(case: str) -> None:
    ops, wanted = CASES[case]
    second = tree()
    for op in ops:
        second.apply(op)
    found = [f"{row.sign} {row.path} {row.what}" for row in compare(tree(), second)]
    assert found == wanted


def test_the_other_way_round_has_the_other_signs() -> None:
    second = tree()
    second.apply(write("/opt/new", "x"))
    assert [row.sign for row in compare(second, tree())] == ["-"]


def test_differences_come_in_the_order_of_a_listing() -> None:
    second = tree()
    for path in ("/opt/b", "/opt/a", "/etc/z", "/opt/sub/deep/a", "/a"):
        second.apply(write(path, "x"))
    found = [row.path for row in compare(tree(), second)]
    assert found == ["/a", "/etc/z", "/opt/a", "/opt/b", "/opt/sub/deep/a"]
