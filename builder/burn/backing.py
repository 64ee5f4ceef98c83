"""What lies below what: from a filesystem or a mapping down to the disks that bear it.

Sources: the kernel's ``Documentation/ABI/testing/sysfs-block`` (``slaves``, ``holders``),
``sysfs-block-loop`` (``backing_file``) and ``fs/btrfs/sysfs.c`` (``devices``). The walk goes
through LUKS, LVM, multipath, RAID, bcache, Btrfs over several disks, overlays and loop devices.

ZFS tells the kernel nothing of its members: see :mod:`builder.burn.pools`.
"""

from collections.abc import Iterator
from pathlib import Path

from builder.burn.mounts import Mount, mount_of, read_mounts, read_swaps
from builder.burn.open_files import users_of
from builder.burn.system import System, read_attribute
from builder.structs import Struct


class Use(Struct, frozen=True):
    """Something that a disk is needed for.

    Attributes:
        point: Where it is mounted; empty for swap.
        name: The block device that it is on directly, such as ``dm-1``.
    """

    point: str
    name: str


class Backing:
    """The devices of a system and what rests on them, as they were when this was made."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._names = {
            read_attribute(path / "dev"): path.name
            for path in (system.blocks.iterdir() if system.blocks.is_dir() else ())
        }
        self.mounts = read_mounts(system)
        self._swaps = read_swaps(system)

    def uses_of(self, disk: str) -> Iterator[Use]:
        """Yield the mounts and the swap that need a disk, whatever lies between."""
        for mount in self.mounts:
            for name in sorted(self._names_of(mount, frozenset())):
                if disk in self.below(name):
                    yield Use(mount.point, name)
        for path in self._swaps:
            for name in sorted(self.names_of_path(path)):
                if disk in self.below(name):
                    yield Use("", name)

    def users_of(self, point: str) -> str:
        """Return the processes that have something open below a mount point, empty when none."""
        return users_of(self._system, point)

    def holders_of(self, disk: str) -> tuple[str, ...]:
        """Return the mappings and arrays that have a disk or one of its partitions open."""
        path = (self._system.blocks / disk).resolve()
        held = {entry.name for folder in (path, *_partitions(path)) for entry in _names(folder)}
        return tuple(sorted(f"{name}{self._title(name)}" for name in held))

    def file_of(self, name: str) -> str:
        """Return the file behind a loop device, empty for other devices."""
        return read_attribute((self._system.blocks / name).resolve() / "loop/backing_file")

    def disks_of_path(self, path: str) -> set[str]:
        """Return the names of everything that a file or folder is stored on."""
        return {below for name in self.names_of_path(path) for below in self.below(name)}

    def names_of_path(self, path: str) -> set[str]:
        """Return the block devices that a path is, or is stored on, directly."""
        own = self._name_of_node(path)
        if own:
            return {own}
        mount = mount_of(self.mounts, path)
        return set() if mount is None else self._names_of(mount, frozenset())

    def below(self, name: str) -> set[str]:
        """Return a block device and everything below it, down to whole disks."""
        found: set[str] = set()
        todo = [name]
        while todo:
            here = todo.pop()
            if here not in found:
                found.add(here)
                todo += self._next(here)
        return found

    def name_of(self, number: str) -> str:
        """Return the kernel's name for a device number, empty when there is none."""
        return self._names.get(number, "")

    def _next(self, name: str) -> Iterator[str]:
        """Yield what is directly below a block device."""
        path = (self._system.blocks / name).resolve()
        if (path / "partition").exists():
            yield path.parent.name
        if (path / "slaves").is_dir():
            yield from (entry.name for entry in (path / "slaves").iterdir())
        if file := self.file_of(name):
            yield from self.names_of_path(file)
        yield from self._btrfs_peers(name)

    def _names_of(self, mount: Mount, seen: frozenset[Mount]) -> set[str]:
        """Return the block devices that a mounted filesystem is on directly."""
        if mount in seen:
            return set()
        if own := self._names.get(mount.number):
            return {own}
        found = {self._name_of_node(part) for part in mount.source.split(":") if "/" in part}
        for path in mount.paths():
            under = mount_of(self.mounts, path)
            if under is not None:
                found |= self._names_of(under, seen | {mount})
        return found - {""}

    def _btrfs_peers(self, name: str) -> Iterator[str]:
        """Yield the other devices of a Btrfs that has several."""
        for folder in self._system.below("/sys/fs/btrfs").glob("*/devices"):
            members = {entry.name for entry in folder.iterdir()}
            if name in members:
                yield from members

    def _name_of_node(self, path: str) -> str:
        """Return the kernel's name for a device node or a link to one."""
        if not path.startswith("/dev/"):
            return ""
        node = self._system.below(path)
        for name in (node.resolve().name, node.name):
            if (self._system.blocks / name).exists():
                return name
        titled = (n for n in self._names.values() if self._title(n) == f" ({node.name})")
        return next(titled, "")

    def _title(self, name: str) -> str:
        """Return the name that people gave to a mapping, in brackets."""
        title = read_attribute(self._system.blocks / name / "dm/name")
        return f" ({title})" if title else ""


def _partitions(path: Path) -> Iterator[Path]:
    """Yield the folders of a disk's partitions."""
    yield from (entry.parent for entry in path.glob("*/partition"))


def _names(folder: Path) -> Iterator[Path]:
    """Yield the holders of a block device."""
    holders = folder / "holders"
    if holders.is_dir():
        yield from holders.iterdir()
