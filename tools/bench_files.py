"""Writes a folder of small files into an ext4 image, and measures that beside ``tar xf``.

python -m tools.bench_files FOLDER IMAGE
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from builder.blob import Blob
from builder.formats.disk import MIB, FileDisk
from builder.formats.ext4 import Ext4
from tests.support.judges import require
from tools.bench_measure import Rival, emptied, interleave, ratio
from tools.bench_report import Bench, Limit, show

_FOLDERS, _FILES, _SIZE = 100, 100, 1500
_IMAGE: Final = 512 * MIB


def bench_files(bench: Bench) -> None:
    """Measure 10,000 small files, and have e2fsck look at them."""
    tree, image, copy = bench.folder / "tree", bench.folder / "files.img", bench.folder / "untarred"
    _make_tree(tree)
    archive = bench.folder / "tree.tar"
    subprocess.run(["tar", "cf", archive, "-C", tree, "."], check=True)

    def prepare() -> None:
        image.unlink(missing_ok=True)
        with image.open("wb") as stream:
            stream.truncate(_IMAGE)
        subprocess.run([require("mke2fs"), "-q", "-F", "-t", "ext4", image], check=True)

    command = [sys.executable, "-m", "tools.bench_files", str(tree), str(image)]
    ours = Rival("10,000 files into an ext4 image", command, prepare)
    plain = Rival("tar xf", ["tar", "xf", str(archive), "-C", str(copy)], emptied(copy))
    interleave([ours, plain], bench.rounds)
    subprocess.run([require("e2fsck"), "-fn", image], check=True, stdout=subprocess.DEVNULL)
    show([ours, plain], plain)
    bench.limits.append(Limit("10,000 small files into ext4 by tar xf", ratio(ours, plain), 3))


def _make_tree(folder: Path) -> None:
    """Write the files."""
    for number in range(_FOLDERS):
        below = folder / f"folder-{number:03}"
        below.mkdir(parents=True)
        for each in range(_FILES):
            text = f"{number} {each}\n".encode()
            (below / f"file-{each:03}.conf").write_bytes(text.ljust(_SIZE, b"#"))


def main() -> None:
    """Write the files of a folder into an image."""
    tree, image = sys.argv[1:]
    with FileDisk(Path(image), writable=True) as disk:
        fs = Ext4(disk, 0, timestamp=int(time.time()))
        for folder, names, files in os.walk(tree):
            names.sort()
            inside = f"/{os.path.relpath(folder, tree)}".removesuffix("/.")
            if inside:
                fs.make_directory(inside, mode=0o755, uid=0, gid=0)
            for name in sorted(files):
                content = Blob.file(Path(folder, name))
                fs.write_file(f"{inside}/{name}", content, mode=0o644, uid=0, gid=0)
        fs.flush()


if __name__ == "__main__":
    main()
