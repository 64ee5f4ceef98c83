"""The sample medium: shaped like Photon's installer ISO, made on this machine without a download.

``medium.iso.gz`` is an empty image with a boot catalog that ``make_medium.sh`` made once; the
files of ``medium/`` are added to it, and an initial RAM disk with those of ``initrd/``. It has no
kernel, no boot loader, no installer and no package, so it does not boot, and says so in
``/README.txt``.
"""

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

from builder.blob import Blob
from builder.formats.cpio import pack_files
from builder.formats.iso9660 import AddDirectory, AddFile, Edit, open_iso, plan_append
from builder.formats.stream import write_segments
from builder.guest.installer import COMMON_KEYS

_HERE = Path(__file__).parent
_EMPTY = _HERE / "medium.iso.gz"
_PACKAGES = "/RPMS/x86_64"


def make_medium(fd: int, timestamp: int) -> None:
    """Write the sample medium; the same timestamp gives the same bytes.

    Args:
        fd: An empty file, open for reading and writing.
        timestamp: Time of everything that is added, seconds since the epoch.
    """
    with tempfile.NamedTemporaryFile() as empty:
        empty.write(gzip.decompress(_EMPTY.read_bytes()))
        empty.flush()
        with open_iso(Path(empty.name)) as iso:
            write_segments(fd, plan_append(iso, _edits(), timestamp=timestamp).segments())


def _edits() -> Iterator[Edit]:
    """Yield what the empty image lacks."""
    for path, data in _files("medium").items():
        yield AddFile(f"/{path}", Blob.of(data))
    yield AddFile("/PHOTON_VMWARE_CD", Blob.of(b""))
    yield AddFile("/isolinux/initrd.img", Blob.of(pack_files({**_files("initrd"), **_installer()})))
    yield AddDirectory("/RPMS")
    yield AddDirectory(_PACKAGES)


def _installer() -> dict[str, bytes]:
    """Return what tells which keys the installer knows: those of photon-os-installer 2.3."""
    keys = sorted(COMMON_KEYS | {"preinstall", "repos"})
    source = f'"""Installs nothing."""\nMEDIA = "/mnt/media"\nknown_keys = {keys}\n'
    return {"usr/lib/python3.11/site-packages/photon_installer/installer.py": source.encode()}


def _files(folder: str) -> dict[str, bytes]:
    """Return the files of a folder by their path in it."""
    top = _HERE / folder
    files = sorted(path for path in top.rglob("*") if path.is_file())
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}
