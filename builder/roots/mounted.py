"""Several filesystems as one root: ``/`` on ext4, ``/boot/efi`` on FAT, as fstab(5) says."""

from collections.abc import Iterator, Mapping

from builder.changes import FileOp, MakeDirectory, MakeSymlink, Remove, WriteFile
from builder.engine.tree import Tree, ids
from builder.errors import GuestError
from builder.formats.filesystem import Filesystem, Node
from builder.guestpath import GuestPath, guest


class MountedRoot(Tree):
    """Filesystems by mount point; a path belongs to the longest mount point above it."""

    def __init__(self, mounts: Mapping[GuestPath, Filesystem]) -> None:
        self.mounts = dict(sorted(mounts.items(), key=lambda item: -len(item[0])))

    def lstat(self, path: GuestPath) -> Node | None:
        """Describe ``path``; a mount point is the root of what is mounted there."""
        filesystem, inner = self._find(path)
        return filesystem.lstat(inner)

    def chunks(self, path: GuestPath) -> Iterator[bytes]:
        """Yield a file's content."""
        filesystem, inner = self._find(path)
        return filesystem.chunks(inner)

    def names(self, path: GuestPath) -> list[str]:
        """Return a directory's entries."""
        filesystem, inner = self._find(path)
        return filesystem.names(inner)

    def apply(self, op: FileOp) -> None:
        """Carry out one file operation on the filesystem it belongs to."""
        filesystem, inner = self._find(op.path)
        match op:
            case WriteFile(content=content, mode=mode, owner=owner):
                uid, gid = ids(owner)
                filesystem.write_file(inner, content, mode=mode, uid=uid, gid=gid)
            case MakeDirectory(mode=mode, owner=owner):
                uid, gid = ids(owner)
                filesystem.make_directory(inner, mode=mode, uid=uid, gid=gid)
            case MakeSymlink(target=target):
                filesystem.make_symlink(inner, target)
            case Remove(path):
                self._refuse_mount_point(path)
                filesystem.remove(inner)

    def holds_modes(self, path: GuestPath) -> bool:
        """Return whether the filesystem that holds ``path`` has modes."""
        return self._find(path)[0].holds_modes

    def flush(self) -> None:
        """Write out what the filesystems hold back."""
        for filesystem in self.mounts.values():
            filesystem.flush()

    def _find(self, path: GuestPath) -> tuple[Filesystem, str]:
        """Return the filesystem that holds ``path``, and the path on it."""
        for point, filesystem in self.mounts.items():
            if point == "/":
                return filesystem, path
            if path == point or path.startswith(f"{point}/"):
                return filesystem, guest("/" + path.removeprefix(point))
        raise GuestError(f"no filesystem is mounted that would hold {path}")

    def _refuse_mount_point(self, path: GuestPath) -> None:
        """Refuse to remove a directory that another partition is mounted on or below."""
        for point in self.mounts:
            if point == path or point.startswith(f"{path.rstrip('/')}/"):
                raise GuestError(f"{path} cannot be removed: a partition is mounted at {point}")
