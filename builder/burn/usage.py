r"""Which mounts, swap and mappings need a disk, followed down through every layer.

Sources: proc(5), ``/proc/pid/mountinfo`` (blanks are written ``\040``), ``/proc/swaps``, and
``cwd``, ``root`` and ``fd`` of each process; the kernel's ``Documentation/ABI/testing/sysfs-block``
(``slaves``, ``holders``), ``sysfs-block-loop`` (``backing_file``) and ``fs/btrfs/sysfs.c``
(``devices``). Covers LUKS, LVM, multipath, RAID, bcache, Btrfs over several disks, overlays and
loop devices. ZFS reports no members to the kernel: :mod:`builder.burn.safety` reads its labels.

A mount is identified by its device number; the name of its source is used only where a filesystem
has no device of its own (Btrfs, overlay).
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from builder.burn.devices import SystemRoot, read_attribute
from builder.printable import printable
from builder.structs import Struct

_ESCAPE = re.compile(r"\\([0-7]{3})")
_FIELDS = re.compile(r"\d+ \d+ (\d+:\d+) \S+ (\S+) \S+(?: \S+)*? - \S+ (\S+) ?(\S*)")
_MOST_USERS = 5


class MountedFilesystem(Struct, frozen=True):
    """One mounted filesystem.

    Attributes:
        number: Major and minor number of its device; the major is 0 without one.
        point: Where it is mounted.
        source: As it was given to mount(8).
        options: Options of the filesystem.
    """

    number: str
    point: str
    source: str
    options: str

    def paths(self) -> tuple[str, ...]:
        """Return the folders that an overlay is made of."""
        fields = (field.partition("=") for field in self.options.split(","))
        wanted = {"lowerdir", "upperdir", "workdir"}
        return tuple(p for key, _, value in fields if key in wanted for p in value.split(":") if p)


class DeviceUse(Struct, frozen=True):
    """A mount or a swap area that needs a disk.

    Attributes:
        point: Mount point; empty for swap.
        name: Its block device, such as ``dm-1``.
    """

    point: str
    name: str


class DeviceUsage:
    """A snapshot of a system's block devices, and of what is stored on them."""

    def __init__(self, system: SystemRoot) -> None:
        self._system = system
        self._names = {
            read_attribute(path / "dev"): path.name
            for path in (system.blocks.iterdir() if system.blocks.is_dir() else ())
        }
        self.mounts = read_mounts(system)
        self._swaps = read_swaps(system)

    def uses_of(self, disk: str) -> Iterator[DeviceUse]:
        """Yield the mounts and the swap areas that need a disk, through every layer."""
        for mount in self.mounts:
            for name in sorted(self._names_of(mount, frozenset())):
                if disk in self.below(name):
                    yield DeviceUse(mount.point, name)
        for path in self._swaps:
            for name in sorted(self.names_of_path(path)):
                if disk in self.below(name):
                    yield DeviceUse("", name)

    def users_of(self, point: str) -> str:
        """Return the processes that have a file open below a mount point, empty for none."""
        return users_of(self._system, point)

    def holders_of(self, disk: str) -> tuple[str, ...]:
        """Return the mappings and arrays that use a disk or one of its partitions."""
        path = (self._system.blocks / disk).resolve()
        held = {entry.name for folder in (path, *_partitions(path)) for entry in _names(folder)}
        return tuple(sorted(f"{name}{self._title(name)}" for name in held))

    def file_of(self, name: str) -> str:
        """Return the file behind a loop device, empty for other devices."""
        return read_attribute((self._system.blocks / name).resolve() / "loop/backing_file")

    def disks_of_path(self, path: str) -> set[str]:
        """Return the block devices that a file or folder is stored on, in every layer."""
        return {below for name in self.names_of_path(path) for below in self.below(name)}

    def names_of_path(self, path: str) -> set[str]:
        """Return the block devices that a path is, or is directly stored on."""
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
        """Yield the block devices directly below one."""
        path = (self._system.blocks / name).resolve()
        if (path / "partition").exists():
            yield path.parent.name
        if (path / "slaves").is_dir():
            yield from (entry.name for entry in (path / "slaves").iterdir())
        if file := self.file_of(name):
            yield from self.names_of_path(file)
        yield from self._btrfs_peers(name)

    def _names_of(self, mount: MountedFilesystem, seen: frozenset[MountedFilesystem]) -> set[str]:
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
        """Yield the members of a Btrfs over several devices."""
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
        """Return the name of a mapping, in brackets."""
        title = read_attribute(self._system.blocks / name / "dm/name")
        return f" ({title})" if title else ""


def read_mounts(system: SystemRoot) -> tuple[MountedFilesystem, ...]:
    """Return the mounted filesystems, in the order of mounting."""
    lines = read_attribute(system.proc / "self/mountinfo").splitlines()
    return tuple(mount for line in lines if (mount := _parse(line)) is not None)


def read_swaps(system: SystemRoot) -> tuple[str, ...]:
    """Return the partitions and files of swap areas."""
    lines = read_attribute(system.proc / "swaps").splitlines()[1:]
    return tuple(_unescape(line.split()[0]) for line in lines if line.split())


def mount_of(mounts: tuple[MountedFilesystem, ...], path: str) -> MountedFilesystem | None:
    """Return the filesystem of a path; the last mounted of equal mount points hides the others."""
    fitting = [m for m in mounts if PurePosixPath(path).is_relative_to(m.point)]
    return max(reversed(fitting), key=lambda m: len(m.point), default=None)


def _parse(line: str) -> MountedFilesystem | None:
    found = _FIELDS.match(line)
    return MountedFilesystem(*map(_unescape, found.groups())) if found else None


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def users_of(system: SystemRoot, point: str) -> str:
    """Return the first processes that have a file open there, such as ``bash (4711)``."""
    found = []
    for process in sorted(system.proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
            if any(_is_below(link, point) for link in links):
                name = (process / "comm").read_text(errors="replace").strip()
                found.append(f"{printable(name)} ({process.name})")
        except OSError:  # it ended, or may not be read
            continue
    more = [f"{len(found) - _MOST_USERS} more"] if len(found) > _MOST_USERS else []
    return ", ".join(found[:_MOST_USERS] + more)


def _is_below(link: Path, point: str) -> bool:
    try:
        return link.readlink().is_relative_to(point)
    except OSError:
        return False


def _partitions(path: Path) -> Iterator[Path]:
    yield from (entry.parent for entry in path.glob("*/partition"))


def _names(folder: Path) -> Iterator[Path]:
    holders = folder / "holders"
    if holders.is_dir():
        yield from holders.iterdir()
