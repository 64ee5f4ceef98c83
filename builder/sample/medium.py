"""The sample medium: shaped like Photon's installer ISO, made on this machine without a download.

``medium.iso.gz`` is an empty image with a boot catalog that ``make_medium.sh`` made once; the
files of ``medium/`` are added to it, and an initial RAM disk that says which installer the release
has: by its source, where the published media have that in readable form. It has no kernel, no
boot loader, no installer and no package, so it does not boot, and says so in ``/README.txt``.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from builder.blob import Blob
from builder.facts import Facts, Installer
from builder.formats.cpio import pack_files
from builder.formats.iso9660 import AddDirectory, AddFile, Edit, open_iso, plan_append
from builder.formats.scratch import make_scratch
from builder.formats.stream import write_segments

_HERE = Path(__file__).parent
_EMPTY = _HERE / "medium.iso.gz"
_PACKAGES = "/RPMS/x86_64"
_FIRST = "3.0-GA"
_FLAVOUR_RT = "linux-rt"
_INSTALLED = "usr/lib/python3.11/site-packages/photon_installer/installer.py"
_OWN_FOLDER = "3.0"
"""Release whose installer is a folder at the top of the initrd."""
_SOURCES = """\
photon-builder's sample medium

It has the shape of Photon's media of source packages, without any package, and boots nothing.
"""


def make_medium(fd: int, timestamp: int, facts: Facts) -> None:
    """Write the sample medium; the same timestamp gives the same bytes.

    Args:
        fd: An empty file, open for reading and writing.
        timestamp: Time of everything that is added, seconds since the epoch.
        facts: The release whose medium it resembles.
    """
    _write(fd, _edits(facts), timestamp)


def make_source_medium(fd: int, timestamp: int) -> None:
    """Write a sample of source media: no package, and a text that says so."""
    edits = (AddFile("/README.txt", Blob.text(_SOURCES)), AddDirectory("/SRPMS"))
    _write(fd, iter(edits), timestamp)


def _write(fd: int, edits: Iterator[Edit], timestamp: int) -> None:
    """Write the empty image with what it lacks."""
    empty = make_scratch()
    empty.write_bytes(gzip.decompress(_EMPTY.read_bytes()))
    with open_iso(empty) as iso:
        write_segments(fd, plan_append(iso, edits, timestamp=timestamp).segments())


def _edits(facts: Facts) -> Iterator[Edit]:
    """Yield what the empty image lacks."""
    for path, data in _files("medium").items():
        yield AddFile(f"/{path}", Blob.of(data))
    yield AddFile("/PHOTON_VMWARE_CD", Blob.of(b""))
    yield AddFile("/isolinux/initrd.img", Blob.of(pack_files(_initrd(facts))))
    yield AddDirectory("/RPMS")
    yield AddDirectory(_PACKAGES)


def _initrd(facts: Facts) -> dict[str, bytes]:
    """Return what the initrd says of release and installer."""
    known = facts.installer
    texts = {
        "etc/photon-release": (
            f"VMware Photon OS {facts.release}\nPHOTON_BUILD_NUMBER={facts.build}\n"
        ),
        "installer/packages_minimal.json": _packages(*known.kernels),
        **{f"usr/sbin/{_maker(name)}": "" for name in known.mkfs},
    }
    if facts.revision != _FIRST:
        texts["installer/packages_rt.json"] = _packages(_FLAVOUR_RT)
    if known.has_source:
        texts |= _source(facts, known)
    return {path: text.encode() for path, text in texts.items()}


def _packages(*kernels: str) -> str:
    return json.dumps({"packages": ["minimal", *kernels]}) + "\n"


def _maker(filesystem: str) -> str:
    return "mkswap" if filesystem == "swap" else f"mkfs.{filesystem}"


def _source(facts: Facts, known: Installer) -> dict[str, str]:
    """Return what tells which keys the installer knows and where it mounts the medium."""
    text = f'"""Installs nothing."""\nMEDIA = "{known.mount}"\n'
    if not known.refuses_other_keys:
        return {"installer/iso_config.py": text}
    path = "installer/installer.py" if facts.release == _OWN_FOLDER else _INSTALLED
    return {path: f"{text}known_keys = {sorted(known.keys)}\n"}


def _files(folder: str) -> dict[str, bytes]:
    """Return the files of a folder by their path in it."""
    top = _HERE / folder
    files = sorted(path for path in top.rglob("*") if path.is_file())
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}
