"""File systems in a file, mounted by the kernel: for what only a certain file system does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.judges import judge


@contextmanager
def mounted(kind: str, folder: Path, size: int) -> Iterator[Path]:
    """Yield the mount point of a fresh file system of ``size`` bytes; skips without the right.

    Args:
        kind: As mkfs names it: ``xfs``, ``btrfs``.
        folder: Where its file and the mount point are made.
        size: Bytes that it has; they are not written.
    """
    if os.geteuid():
        pytest.skip("only root may mount")
    image, point = folder / f"{kind}.img", folder / kind
    image.touch()
    os.truncate(image, size)
    judge(f"mkfs.{kind}", "-q", image)
    point.mkdir()
    done = judge("mount", "-o", "loop", image, point, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts no {kind}: {done.stderr.strip()}")
    try:
        yield point
    finally:
        judge("umount", point)
        image.unlink()
