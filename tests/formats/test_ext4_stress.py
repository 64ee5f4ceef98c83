"""Random edits of ext4 give the tree that a dictionary gives, for every shape of filesystem."""

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from builder.formats.disk import MIB
from builder.formats.ext4 import Ext4
from tests.formats.ext4_variants import (
    VARIANTS,
    Found,
    check,
    dump,
    make_image,
    open_disk,
    open_fs,
    write,
)
from tests.support.judges import judge

Model = dict[str, Found]
IS_ROOT = os.geteuid() == 0


class Edit(Protocol):
    """One random edit of a filesystem and of its model."""

    def __call__(self, fs: Ext4, model: Model, generator: random.Random) -> None: ...


def _folder(model: Model, generator: random.Random) -> str:
    """Choose a directory."""
    folders = [path for path, node in model.items() if node.kind == "directory"]
    return generator.choice(["", *folders, *folders[:3] * 3])


def _place(model: Model, generator: random.Random) -> str:
    """Choose a path that no directory has."""
    while True:
        name = f"{generator.choice('abc')}{generator.randrange(400)}" + "-long" * (
            generator.randrange(12) ** 2 // 10
        )
        path = f"{_folder(model, generator)}/{name}"
        if path not in model or model[path].kind != "directory":
            return path


def _write(fs: Ext4, model: Model, generator: random.Random) -> None:
    """Write a file."""
    path = _place(model, generator)
    size = generator.choice((0, 1, 60, 1024, 4096, 5000, 20_000, 150_000))
    content = generator.randbytes(size)
    mode, uid = generator.choice((0o644, 0o4755, 0o600)), generator.choice((0, 1000, 70_000))
    write(fs, path, content, mode, uid)
    model[path] = Found("file", content, mode, uid, uid)


def _link(fs: Ext4, model: Model, generator: random.Random) -> None:
    """Make a symbolic link."""
    path = _place(model, generator)
    target = "t" * generator.choice((1, 59, 60, 61, 500))
    fs.make_symlink(path, target)
    model[path] = Found("symlink", target, 0o777, 0, 0)


def _make_directory(fs: Ext4, model: Model, generator: random.Random) -> None:
    """Make a directory, or change one."""
    path = f"{_folder(model, generator)}/d{generator.randrange(8)}"
    mode, uid = generator.choice((0o755, 0o700, 0o1777)), generator.choice((0, 1000))
    if path.count("/") < 6:
        fs.make_directory(path, mode=mode, uid=uid, gid=uid)
        model[path] = Found("directory", b"", mode, uid, uid)


def _remove(fs: Ext4, model: Model, generator: random.Random) -> None:
    """Remove a file, or seldom a directory with all below."""
    candidates = [
        path
        for path, node in model.items()
        if path != "/lost+found" and (node.kind != "directory" or generator.random() < 0.02)
    ]
    if candidates:
        path = generator.choice(candidates)
        fs.remove(path)
        for gone in [name for name in model if name == path or name.startswith(path + "/")]:
            del model[gone]


EDITS: list[Edit] = [_write, _write, _write, _link, _make_directory, _remove, _remove]


def _make_tree(folder: Path) -> Path:
    """Make the tree that an image begins with."""
    (folder / "many").mkdir(parents=True)
    (folder / "usr/lib").mkdir(parents=True)
    for number in range(400):
        (folder / f"many/file-with-a-longish-name-{number:04d}").write_bytes(b"x" * number)
    for number in range(60):
        (folder / f"usr/lib/package{number}").mkdir()
        (folder / f"usr/lib/package{number}/content").write_bytes(b"y" * number * 97)
    return folder


def _as_judged(tree: Model) -> Model:
    """Leave out what debugfs does not restore: set-id bits, and owners unless it may."""
    return {
        path: replace(
            node,
            mode=node.mode & 0o777,
            uid=node.uid if IS_ROOT else 0,
            gid=node.gid if IS_ROOT else 0,
        )
        for path, node in tree.items()
    }


def _run(tmp_path: Path, variant: str, seed: int, count: int) -> None:
    """Edit at random, and compare with the model in the end and at each reopening."""
    image = make_image(
        tmp_path / "image", variant, tree=_make_tree(tmp_path / "tree"), size=48 * MIB
    )
    if variant != "no dir_index":
        judge("e2fsck", "-fyD", image, check=False)
    model = dump(image, tmp_path / "before")
    generator = random.Random(seed)
    with open_disk(image) as disk:
        fs = open_fs(disk)
        for number in range(count):
            generator.choice(EDITS)(fs, model, generator)
            if number % 200 == 199:
                fs.flush()
                fs = open_fs(disk)
        fs.flush()
        assert _by_us(fs) == {path: node.mode for path, node in model.items()}
    check(image)
    assert _as_judged(dump(image, tmp_path / "after")) == _as_judged(model)


def _by_us(fs: Ext4) -> dict[str, int]:
    """Return all paths and their modes, as this project reads them."""
    found, pending = {}, [""]
    while pending:
        folder = pending.pop()
        for name in fs.names(folder or "/"):
            path = f"{folder}/{name}"
            node = fs.lstat(path)
            assert node
            found[path] = node.mode
            if node.kind == "directory":
                pending.append(path)
    return found


@pytest.mark.parametrize("variant", ["photon", "1 KiB blocks"])
def test_random_edits_agree_with_a_dictionary(variant: str, tmp_path: Path) -> None:
    _run(tmp_path, variant, 1, 150)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", [2, 3])
def test_many_random_edits_agree_with_a_dictionary(variant: str, seed: int, tmp_path: Path) -> None:
    _run(tmp_path, variant, seed, 1500)
