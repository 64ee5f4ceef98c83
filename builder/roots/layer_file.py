"""File operations as a tar: what a container layer holds.

Format: POSIX.1-2001 pax; removals are whiteouts as in the OCI image spec v1.1, "Representing
Changes". The same operations and time give the same bytes: names are sorted, and nothing of
this machine is in it. An owner that is a name of the guest is kept as a name.
"""

import io
import tarfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from builder.blob import Blob
from builder.changes import FileOp, MakeDirectory, MakeSymlink, Owner, Remove, WriteFile
from builder.errors import HostError

WHITEOUT = ".wh."

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
                checked = _Checked(stream, content, op.path)
                tar.addfile(entry, checked)
                checked.finish()


def _entry(op: FileOp) -> tuple[tarfile.TarInfo, Blob]:
    """Return header and content of the entry that stands for an operation."""
    entry, content = tarfile.TarInfo(op.path.lstrip("/")), _EMPTY
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


class _Checked(io.RawIOBase):
    """The content of a file, compared on its way with what it was when the plan was made."""

    def __init__(self, stream: BinaryIO, content: Blob, path: str) -> None:
        super().__init__()
        self._stream = stream
        self._content = content
        self._path = path
        self._digest = sha256()

    def read(self, size: int = -1) -> bytes:
        """Return as many bytes as are wanted.

        Raises:
            HostError: there are fewer.
        """
        parts: list[bytes] = []
        left = size
        while left and (part := self._stream.read(left)):
            parts.append(part)
            left -= len(part)
        if left:
            raise self._changed()
        piece = b"".join(parts)
        self._digest.update(piece)
        return piece

    def finish(self) -> None:
        """Compare what was read.

        Raises:
            HostError: it is not what was planned, or not all.
        """
        if self._stream.read(1) or self._digest.hexdigest() != self._content.sha256:
            raise self._changed()

    def _changed(self) -> HostError:
        """Return the error for other content."""
        source = self._content.source
        place = f"{source}: " if isinstance(source, Path) else ""
        return HostError(
            f"{place}the content of {self._path} is not what it was when the build began",
            hint="did the file change while it was read? run the build again",
        )


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
