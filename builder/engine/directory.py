"""A real folder as a tree, by directory descriptors: no link ever leads out of it.

Every component is opened with ``O_NOFOLLOW``, so a path is taken literally even when somebody
changes the tree meanwhile. Names go to the kernel as bytes: the locale has no say. A file or a
link takes its place in one step, ``rename(2)``.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager
from typing import Iterator, Optional

from .errors import GuestError
from .nodes import Kind, Node
from .ops import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from .paths import GuestPath, name, parent
from .tree import Tree, ids

_PIECE = 1 << 20
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_PART = b".photon-builder-part"
_WITHOUT_MODES = {"vfat", "msdos", "exfat"}
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


class DirectoryTree(Tree):
    """The folder ``top`` as the root of a tree.

    Args:
        top: The folder; ``/`` for the system that runs this.
        mtime: Time that what is written gets, seconds since the epoch; ``None`` for now.
    """

    def __init__(self, top: str, *, mtime: Optional[int] = None) -> None:
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._place = _bytes(os.path.realpath(top)).rstrip(b"/")
        self._mtime = mtime
        self._no_modes = _devices_without_modes()

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._top)

    def lstat(self, path: GuestPath) -> Node | None:
        """Describe ``path``; ``None`` if absent, or if a component on the way is no directory."""
        try:
            with self._open(parent(path)) as above:
                found = os.stat(_last(path), dir_fd=above, follow_symlinks=False)
                kind = _KINDS.get(stat.S_IFMT(found.st_mode), Kind.OTHER)
                target = os.readlink(_last(path), dir_fd=above) if kind is Kind.SYMLINK else b""
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise
        size = found.st_size if kind is Kind.FILE else 0
        mode = 0o777 if kind is Kind.SYMLINK else stat.S_IMODE(found.st_mode)
        return Node(kind, mode, found.st_uid, found.st_gid, size, _text(target))

    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a file's content."""
        node = self.lstat(path)
        if node is None or node.kind is not Kind.FILE:
            raise GuestError(f"{path} is not a regular file of the base")
        with self._open(parent(path)) as above:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            stream = os.fdopen(os.open(_last(path), flags, dir_fd=above), "rb")
        with stream:
            yield from iter(lambda: stream.read(_PIECE), b"")

    def names(self, path: GuestPath) -> list[str]:
        """Return a directory's entries."""
        try:
            with self._open(path, os.O_RDONLY) as here:
                return sorted(map(_text, map(os.fsencode, os.listdir(here))))
        except OSError as error:
            if error.errno in _ABSENT:
                raise GuestError(f"{path} is not a directory of the base") from None
            raise

    def apply(self, op: FileOp) -> None:
        """Carry out one file operation."""
        if isinstance(op, Remove) and self.lstat(op.path) is None:
            return
        with self._open(parent(op.path)) as above:
            last = _last(op.path)
            if isinstance(op, Remove):
                self._remove(above, last, op.path)
            elif isinstance(op, MakeDirectory):
                self._make_directory(above, last, op)
            elif isinstance(op, MakeSymlink):
                _discard(above, _PART)
                os.symlink(_bytes(op.target), _PART, dir_fd=above)
                self._settle(above, last)
            else:
                self._write(above, last, op)

    def holds_modes(self, path: GuestPath) -> bool:
        """Return whether the nearest directory that is there lies on a filesystem with modes."""
        while True:
            try:
                with self._open(path) as here:
                    return os.fstat(here).st_dev not in self._no_modes
            except OSError:
                path = parent(path)

    @contextmanager
    def _open(self, path: GuestPath, how: int = os.O_PATH) -> Iterator[int]:
        """Open a directory, component by component; no link on the way is followed."""
        parts = [part for part in path.split("/") if part]
        here = (
            os.dup(self._top) if parts or how == os.O_PATH else os.open(b".", how, dir_fd=self._top)
        )
        try:
            for number, part in enumerate(parts, 1):
                flags = (
                    _STEP if number < len(parts) or how == os.O_PATH else (_STEP & ~os.O_PATH) | how
                )
                below = os.open(_bytes(part), flags, dir_fd=here)
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    def _write(self, above: int, last: bytes, op: WriteFile) -> None:
        """Write a file beside its place, with owner and mode, and move it there."""
        _discard(above, _PART)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(_PART, flags, 0o600, dir_fd=above), "wb") as out:
            for piece in op.content.chunks():
                out.write(piece)
            out.flush()
            self._own(out.fileno(), op)
        self._settle(above, last)

    def _make_directory(self, above: int, last: bytes, op: MakeDirectory) -> None:
        """Make a directory, or give the one that is there this mode and owner."""
        if last != b"." and not _is_there(above, last):
            os.mkdir(last, 0o700, dir_fd=above)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        here = os.open(last, flags, dir_fd=above)
        try:
            self._own(here, op)
        finally:
            os.close(here)

    def _own(self, node: int, op: WriteFile | MakeDirectory) -> None:
        """Give a node its owner, then its mode: a change of owner clears set-id bits."""
        if os.fstat(node).st_dev not in self._no_modes:
            os.fchown(node, *ids(op.owner))
            os.fchmod(node, op.mode)

    def _settle(self, above: int, last: bytes) -> None:
        """Move what was made to its place; what something is mounted on cannot be replaced."""
        if self._mtime is not None:
            os.utime(_PART, (self._mtime, self._mtime), dir_fd=above, follow_symlinks=False)
        try:
            os.rename(_PART, last, src_dir_fd=above, dst_dir_fd=above)
        except OSError as error:
            _discard(above, _PART)
            if error.errno == errno.EBUSY:
                raise GuestError(f"{_text(last)} cannot be replaced: it is mounted there") from None
            raise

    def _remove(self, above: int, last: bytes, path: GuestPath) -> None:
        """Remove a node and everything below it; nothing at all where something is mounted."""
        place = self._place + _bytes(path)
        if last == b"." or any(m == place or m.startswith(place + b"/") for m in _mount_points()):
            raise GuestError(f"{path} cannot be removed: a filesystem is mounted there")
        _remove_tree(above, last)


def _mount_rows() -> Iterator[list[bytes]]:
    """Yield the fields of every mount; proc(5), mountinfo. Nothing without /proc."""
    try:
        with open("/proc/self/mountinfo", "rb") as stream:
            yield from (line.split() for line in stream)
    except OSError:
        return


def _mount_points() -> Iterator[bytes]:
    """Yield where something is mounted, bind mounts included: a device does not tell those."""
    for row in _mount_rows():
        yield re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found.group(1), 8)]), row[4])


def _devices_without_modes() -> set[int]:
    """Return the devices whose filesystem has no owners and modes."""
    rows = (row for row in _mount_rows() if row[row.index(b"-") + 1].decode() in _WITHOUT_MODES)
    return {os.makedev(*map(int, row[2].split(b":"))) for row in rows}


def _remove_tree(above: int, last: bytes) -> None:
    if not stat.S_ISDIR(os.stat(last, dir_fd=above, follow_symlinks=False).st_mode):
        os.unlink(last, dir_fd=above)
        return
    here = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        for each in os.listdir(here):
            _remove_tree(here, os.fsencode(each))
    finally:
        os.close(here)
    os.rmdir(last, dir_fd=above)


def _discard(above: int, last: bytes) -> None:
    """Remove what an interrupted run left."""
    if _is_there(above, last):
        os.unlink(last, dir_fd=above)


def _is_there(above: int, last: bytes) -> bool:
    """Return whether a name is anything."""
    try:
        os.stat(last, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _last(path: GuestPath) -> bytes:
    """Return the last component, ``.`` for the root."""
    return _bytes(name(path)) or b"."


def _bytes(text: str) -> bytes:
    """Return a name as the kernel has it."""
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    """Return a name as paths have it."""
    return data.decode("utf-8", "surrogateescape")
