"""Packs Photon-shaped roots into the artifacts that Photon publishes, once for each recipe.

``make_base`` is the door: it returns the finished file from the cache, or makes it there. What
it returns is shared by all tests and read-only.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.disks import LAYOUTS, make_disk
from tests.support.ext4_image import Region, index_directories
from tests.support.packers import PACKERS
from tests.support.photon_real import make_real_root
from tests.support.photon_root import make_small_root
from tests.support.recipes import Kind, Recipe

__all__ = ["Base", "Kind", "Recipe", "cache_folder", "make_base"]


@dataclass(frozen=True, slots=True)
class Base:
    """A finished base.

    Attributes:
        path: The file; read-only, shared.
        digests: Algorithm, such as ``sha256``, to lowercase hex.
        layout: Name of the disk's layout.
        disk_size: Capacity of the disk.
        root_offset: First byte of the root filesystem on the disk.
        root_size: Its length.
        release: As asked for, such as ``5.0`` or ``3.0 GA``.
    """

    path: Path
    digests: dict[str, str]
    layout: str
    disk_size: int
    root_offset: int
    root_size: int
    release: str


_KEPT_SECONDS: Final = 7 * 24 * 3600


def cache_folder() -> Path:
    """Return the folder that keeps bases between runs of the tests."""
    named = os.environ.get("PHOTON_BUILDER_TEST_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "photon-builder-tests"


def make_base(cache: Path, recipe: Recipe) -> Base:
    """Return the base that ``recipe`` describes, making it below ``cache`` when it is not there."""
    folder = cache / recipe.key
    with _locked(cache / f"{folder.name}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
                _make(recipe, Path(scratch), cache)
                (Path(scratch) / "finished").rename(folder)
            _forget_old(cache, recipe)
    return _described(folder, recipe)


def _described(folder: Path, recipe: Recipe) -> Base:
    """Read back what a finished folder holds."""
    facts = json.loads((folder / "base.json").read_text())
    offset, size = recipe.root_extent
    return Base(
        path=folder / facts["name"],
        digests=facts["digests"],
        layout=recipe.layout_name,
        disk_size=recipe.size,
        root_offset=offset,
        root_size=size,
        release=recipe.release,
    )


def _forget_old(cache: Path, recipe: Recipe) -> None:
    """Remove what older code made of the recipe, once no other checkout is likely to use it."""
    for old in cache.glob(f"{recipe.name}-*"):
        if old.is_dir() and time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(old)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make what ``path`` stands for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _make(recipe: Recipe, scratch: Path, cache: Path) -> None:
    """Make the base in ``scratch/finished``."""
    layout = LAYOUTS[recipe.layout_name]
    finished = scratch / "finished"
    finished.mkdir()
    tree = scratch / "root"
    tree.mkdir()
    if recipe.root == "real":
        folder = make_real_root(tree, recipe.revision, layout.placement(), cache)
    else:
        folder = make_small_root(tree, recipe.revision, layout.placement())
    disk = scratch / "disk.raw"
    make_disk(disk, layout, recipe.size, folder, recipe.mke2fs)
    if recipe.root == "real":
        index_directories(Region(disk, *recipe.root_extent))
    path = PACKERS[recipe.kind](recipe, disk, finished)
    facts = {"name": path.name, "digests": _digests(path)}
    (finished / "base.json").write_text(json.dumps(facts))
    path.chmod(0o444)


def _digests(path: Path) -> dict[str, str]:
    """Return the digests that a publisher may give."""
    found = {}
    for name in ("md5", "sha1", "sha256", "sha512"):
        with path.open("rb") as stream:
            found[name] = hashlib.file_digest(stream, name).hexdigest()
    return found
