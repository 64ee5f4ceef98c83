"""File operations as a tar: what an installer unpacks, and what a container layer holds.

Format: POSIX.1-2001 pax; removals are whiteouts as in the OCI image spec v1.1, "Representing
Changes". The same operations and time give the same bytes: names are sorted, and nothing of
this machine is in it. An owner that is a name of the guest is kept as a name.
"""

import tarfile
from collections.abc import Iterable
from typing import BinaryIO

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Owner, Remove, WriteFile

WHITEOUT = ".wh."
UNLESS = "PHOTON-BUILDER.unless"
"""Vendor's keyword (pax: VENDOR.keyword) with a path that makes an entry superfluous."""

_EMPTY = Blob.of(b"")


def write_layer(out: BinaryIO, ops: Iterable[FileOp], *, mtime: int, prefix: str = "") -> None:
    """Write file operations as an uncompressed tar.

    Args:
        out: Where it goes.
        ops: At most one operation for a path, in any order.
        mtime: Time of every entry, seconds since the epoch.
        prefix: Put in front of every name, such as ``root/``.
    """
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for op in sorted(ops, key=lambda op: op.path):
            entry, content = _entry(op)
            entry.name, entry.mtime = prefix + entry.name, mtime
            with content.open() as stream:
                tar.addfile(entry, stream)


def _entry(op: FileOp) -> tuple[tarfile.TarInfo, Blob]:
    """Return header and content of the entry that stands for an operation."""
    entry, content = tarfile.TarInfo(op.path.lstrip("/")), _EMPTY
    if isinstance(op, WriteFile | MakeSymlink) and op.unless is not None:
        entry.pax_headers = {UNLESS: op.unless}
    match op:
        case WriteFile(mode=mode, owner=owner):
            content = op.content
            entry.size, entry.mode = content.size, mode
            _set_owner(entry, owner)
        case MakeDirectory(mode=mode, owner=owner):
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            _set_owner(entry, owner)
        case MakeSymlink(target=target):
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
        case Remove(path):
            above, _, name = path.lstrip("/").rpartition("/")
            entry.name = f"{above}/{WHITEOUT}{name}" if above else f"{WHITEOUT}{name}"
    return entry, content


def _set_owner(entry: tarfile.TarInfo, owner: Owner) -> None:
    """Give an entry its owner; names are for whoever unpacks it to look up."""
    if isinstance(owner.uid, str):
        entry.uname = owner.uid
    else:
        entry.uid = owner.uid
    if isinstance(owner.gid, str):
        entry.gname = owner.gid
    else:
        entry.gid = owner.gid
