"""What this machine has and lacks for the builder, each with its remedy."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from builder.formats.disk import GIB
from builder.formats.scratch import temporary_folder
from builder.structs import Struct

_NEEDED = ("click", "jsonschema", "PyYAML", "requests", "tqdm")
_JUDGES = ("qemu-img", "e2fsck", "fsck.fat", "sgdisk", "systemd-analyze", "mmdebstrap")
_LEAST_PYTHON = (3, 11)
_ROOM = 2 * GIB


class Finding(Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        name: What.
        good: Whether it is as it should be.
        found: What was found.
        remedy: What to do when it is not good.
        needed: Whether a build fails without it.
    """

    name: str
    good: bool
    found: str
    remedy: str = ""
    needed: bool = True


def examine(cache: Path, output: Path) -> Iterator[Finding]:
    """Yield what this machine has, for building first and for testing then."""
    version = platform.python_version()
    new_enough = sys.version_info[:2] >= _LEAST_PYTHON
    yield Finding("Python", new_enough, version, "install Python 3.11 or newer")
    for package in _NEEDED:
        yield _library(package)
    for name, folder in (("download cache", cache), ("output folder", output)):
        yield _folder(name, folder)
    yield _nameless_files(output)
    for tool in _JUDGES:
        yield _judge(tool)


def _library(package: str) -> Finding:
    """Look for a Python package."""
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Finding(package, good=False, found="missing", remedy="make setup")
    return Finding(package, good=True, found=found)


def _folder(name: str, folder: Path) -> Finding:
    """Look whether a folder can be written and has room."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return Finding(name, good=False, found=f"{folder}: no permission", remedy=f"chown {there}")
    found = f"{folder}: {free / GIB:.1f} GiB free"
    return Finding(name, free > _ROOM, found, "make room, or choose another folder", needed=False)


def _nameless_files(output: Path) -> Finding:
    """Look whether unfinished files can be kept without a name, so that nothing is ever left."""
    there = output if output.is_dir() else temporary_folder()
    flag = getattr(os, "O_TMPFILE", 0)
    try:
        os.close(os.open(there, flag | os.O_RDWR)) if flag else None
    except OSError:
        flag = 0
    found = (
        "yes" if flag else "no: unfinished files have a temporary name, removed by the next build"
    )
    return Finding("nameless unfinished files", bool(flag), found, needed=False)


def _judge(tool: str) -> Finding:
    """Look for a foreign tool; only the project's own tests use them."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    remedy = "make judges (only the project's own tests need it)"
    return Finding(tool, path is not None, path or "missing", remedy, needed=False)
