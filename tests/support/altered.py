"""Bases that something was done to before they were packed: odd trees, damaged or full disks."""

import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.support.disks import LAYOUTS, make_disk
from tests.support.ext4_image import Region, index_directories
from tests.support.judges import judge
from tests.support.packers import PACKERS
from tests.support.photon_root import make_small_root
from tests.support.recipes import Recipe
from tests.support.tree import TreeFolder


def make_altered(
    folder: Path,
    recipe: Recipe,
    *,
    tree: Callable[[TreeFolder], object] = lambda _: None,
    disk: Callable[[Region], object] = lambda _: None,
) -> Path:
    """Return a base of ``recipe`` whose tree and then whose root filesystem were changed."""
    layout = LAYOUTS[recipe.layout_name]
    (folder / "root").mkdir(parents=True)
    root = make_small_root(folder / "root", recipe.revision, layout.placement())
    tree(root)
    root.seal()
    raw = folder / "disk.raw"
    make_disk(raw, layout, recipe.size, root, recipe.mke2fs)
    disk(Region(raw, *recipe.root_extent))
    return PACKERS[recipe.kind](recipe, raw, folder)


def debugfs(region: Region, *commands: str) -> str:
    """Change a filesystem by debugfs commands; what it prints comes back."""
    script = "\n".join((*commands, ""))
    return judge("debugfs", "-w", "-f", "-", region.device, text=script).stdout


def indexed(region: Region) -> None:
    """Give large directories their hash index."""
    index_directories(region)


def free_blocks(region: Region) -> tuple[int, int]:
    """Return how many blocks are free, and the size of one in bytes."""
    facts = judge("dumpe2fs", "-h", region.device).stdout
    found = dict(line.split(":", 1) for line in facts.splitlines() if ":" in line)
    return int(found["Free blocks"]), int(found["Block size"])


def repacked(ova: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    """Return an OVA with its members changed on the way, packed by tar."""
    inside = folder / "inside"
    inside.mkdir(parents=True)
    with tarfile.open(ova) as archive:
        names = archive.getnames()
        archive.extractall(inside, filter="data")
    change(inside)
    result = folder / "bad.ova"
    kept = [name for name in names if (inside / name).exists()]
    added = sorted(path.name for path in inside.iterdir() if path.name not in names)
    judge("tar", "--format=ustar", "-C", inside, "-cf", result, *kept, *added)
    return result
