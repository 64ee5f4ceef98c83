"""A FAT filesystem as a tree of paths that can be read and edited.

The tree keeps FAT's rules: names compare without regard to case, a file of a directory may be
found under its short name too, and an entry that is replaced keeps the name it had.
"""

from collections.abc import Iterator

from builder.errors import FormatError, GuestError, HostError, NoSpaceError
from builder.formats.disk import MIB, Disk
from builder.formats.fat.boot import FAT32, read_geometry
from builder.formats.fat.check import TreeCheck
from builder.formats.fat.directory import (
    ARCHIVE,
    DIRECTORY,
    SLOT,
    Directory,
    Entry,
    pack_dots,
    pack_entry,
    repack_entry,
)
from builder.formats.fat.names import check_name, make_alias, plain_alias
from builder.formats.fat.table import Table
from builder.formats.filesystem import Content, Kind, Node
from builder.structs import replace

MODES = frozenset({0o600, 0o644, 0o700, 0o755})
"""Modes that may be asked for; none is kept."""

_SHOWN = 0o755
_ROOT = 0
_PIECE = MIB
_LARGEST = 0xFFFFFFFF
_MOST_SLOTS = 65_536
_DEEPEST = 64


class Fat:
    """A FAT12, FAT16 or FAT32 filesystem that begins at ``offset`` of ``disk``.

    Attributes:
        label: Volume label, as blkid(8) shows it.
        uuid: Serial number, as blkid(8) shows it: ``ABCD-1234``; empty when there is none.
    """

    holds_modes = False

    def __init__(self, disk: Disk, offset: int, *, timestamp: int, name: str) -> None:
        self._disk = disk
        self._geometry = read_geometry(disk, offset, name=name)
        self._table = Table(disk, self._geometry, name=name)
        self._timestamp = timestamp
        self._name = name
        self._directories: dict[int, Directory] = {}
        self._is_checked = False
        labels = [e for e in self._directory(_ROOT, "/").entries if e.is_label]
        self.label = labels[0].alias.decode("cp437").rstrip() if labels else ""
        serial = self._geometry.serial
        self.uuid = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}" if serial else ""

    @property
    def free(self) -> int:
        """Bytes in free clusters."""
        return self._table.free * self._geometry.cluster_size

    def lstat(self, path: str) -> Node | None:
        """Describe ``path``; everything is root's and 0755."""
        if path == "/":
            return Node(Kind.DIRECTORY, _SHOWN)
        entry = self._find(path)
        if entry is None:
            return None
        if entry.is_directory:
            return Node(Kind.DIRECTORY, _SHOWN, mtime=entry.mtime)
        return Node(Kind.FILE, _SHOWN, size=entry.size, mtime=entry.mtime)

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's content."""
        entry = self._find(path)
        if entry is None or entry.is_directory:
            raise GuestError(f"{self._name}: {path} is not a regular file")
        left = entry.size
        if not left:
            return
        clusters = self._table.chain(entry.cluster, of=path)
        if len(clusters) * self._geometry.cluster_size < left:
            raise FormatError(f"{self._name}: {path}: {left} bytes in {len(clusters)} clusters")
        for offset, length in self._runs(clusters):
            for start in range(0, min(length, left), _PIECE):
                yield self._disk.read(offset + start, min(_PIECE, length - start, left - start))
            left -= min(length, left)

    def names(self, path: str) -> list[str]:
        """Return a directory's entries."""
        entries = self._open_directory(path).entries
        return sorted(e.name for e in entries if not e.is_label and not e.is_dot)

    def write_file(self, path: str, content: Content, *, mode: int, uid: int, gid: int) -> None:
        """Make ``path`` a regular file; one of that name is replaced and keeps its spelling."""
        self._check_attributes(path, mode=mode, uid=uid, gid=gid)
        if content.size > _LARGEST:
            raise GuestError(f"{path}: {content.size} bytes; FAT holds files below 4 GiB")
        self._check_tree()
        directory, old, name = self._prepare(path)
        if old is not None and old.is_directory:
            raise GuestError(f"{self._name}: {path} is a directory")
        needed = -(-content.size // self._geometry.cluster_size)
        had = self._clusters(old, path) if old else []
        self._table.check_room(needed - len(had), of=path)
        if old is None:
            old = self._insert(directory, path, name, ARCHIVE)
        self._table.release(had)
        clusters = self._table.allocate(needed, of=path) if needed else []
        self._update(directory, old, clusters[0] if clusters else 0, content.size)
        self._fill(path, content, clusters)

    def make_directory(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Make ``path`` a directory; an existing one stays as it is."""
        self._check_attributes(path, mode=mode, uid=uid, gid=gid)
        if path == "/":
            return
        self._check_tree()
        directory, old, name = self._prepare(path)
        if old is not None:
            if not old.is_directory:
                raise GuestError(f"{self._name}: {path} is a file, not a directory")
            return
        cluster = self._table.allocate(1, of=path)[0]
        try:
            entry = self._insert(directory, path, name, DIRECTORY)
        except NoSpaceError:
            self._table.release([cluster])
            raise
        above = self._parent_cluster(path)
        dots = pack_dots(cluster, above, self._timestamp)
        size = self._geometry.cluster_size
        self._disk.write(self._geometry.place(cluster), dots.ljust(size, b"\0"))
        self._update(directory, entry, cluster, 0)

    def make_symlink(self, path: str, target: str) -> None:
        """Refuse: FAT has no symbolic links."""
        raise GuestError(
            f"{self._name}: {path} -> {target}: FAT cannot hold symbolic links",
            hint="write a copy of the file instead",
        )

    def remove(self, path: str) -> None:
        """Remove ``path`` and everything below it."""
        if path == "/":
            raise GuestError(f"{self._name}: the root directory cannot be removed")
        entry = self._find(path)
        if entry is not None:
            self._check_tree()
            parent = path.rpartition("/")[0] or "/"
            self._remove(self._open_directory(parent), entry, path, 0)

    def flush(self) -> None:
        """Write the allocation tables and the counters."""
        self._table.flush()

    def _check_tree(self) -> None:
        """Refuse to edit a damaged filesystem; once, before the first change."""
        if not self._is_checked:
            TreeCheck(self._table, self._geometry, self._directory, name=self._name).run()
            self._is_checked = True

    def _check_attributes(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Refuse an owner and a mode that FAT cannot hold."""
        if uid or gid:
            raise GuestError(
                f"{self._name}: {path}: owner {uid}:{gid}; on FAT everything is root's",
                hint="leave the owner out",
            )
        if mode not in MODES:
            raise GuestError(
                f"{self._name}: {path}: mode {mode:04o}; FAT holds no modes, only 0644, 0755, "
                "0600 and 0700 may be asked for",
                hint="leave the mode out",
            )

    def _directory(self, first: int, path: str) -> Directory:
        """Return the directory that begins at cluster ``first``; zero is the root."""
        if first not in self._directories:
            start = first or self._geometry.root_cluster
            if start:
                chain = self._table.chain(start, of=path)
                extents = [(self._geometry.place(c), self._geometry.cluster_size) for c in chain]
            else:
                extents = [(self._geometry.root, self._geometry.root_size)]
            if sum(length for _, length in extents) > _MOST_SLOTS * SLOT:
                raise FormatError(f"{self._name}: {path}: a directory of more than 2 MiB")
            data = b"".join(self._disk.read(*extent) for extent in extents)
            self._directories[first] = Directory(data, extents, where=f"{self._name}: {path}")
        return self._directories[first]

    def _open_directory(self, path: str) -> Directory:
        """Return the directory ``path``, which must be one."""
        if path == "/":
            return self._directory(_ROOT, path)
        entry = self._find(path)
        if entry is None or not entry.is_directory:
            raise GuestError(f"{self._name}: {path} is not a directory")
        return self._enter(entry, path)

    def _enter(self, entry: Entry, path: str) -> Directory:
        """Return the directory that an entry below the root stands for."""
        if not entry.cluster:
            raise FormatError(f"{self._name}: {path}: a directory without clusters")
        return self._directory(entry.cluster, path)

    def _find(self, path: str) -> Entry | None:
        """Return the entry of ``path``, ``None`` when it or a parent is absent."""
        directory, entry, at = self._directory(_ROOT, "/"), None, ""
        above: set[int] = set()
        parts = path.strip("/").split("/")
        for depth, part in enumerate(parts):
            at = f"{at}/{part}"
            entry = directory.find(part)
            if entry is None or depth == len(parts) - 1:
                return entry
            if not entry.is_directory:
                return None
            if entry.cluster in above:
                raise FormatError(f"{self._name}: {at}: the directory lies in itself")
            above.add(entry.cluster)
            directory = self._enter(entry, at)
        return entry

    def _prepare(self, path: str) -> tuple[Directory, Entry | None, str]:
        """Return the directory that holds ``path``, what is there, and the last name."""
        parent, _, name = path.rpartition("/")
        check_name(name, where=f"{self._name}: {path}")
        directory = self._open_directory(parent or "/")
        return directory, directory.find(name), name

    def _parent_cluster(self, path: str) -> int:
        """Return the first cluster of the directory that holds ``path``, zero for the root."""
        entry = self._find(path.rpartition("/")[0] or "/")
        return entry.cluster if entry else 0

    def _insert(self, directory: Directory, path: str, name: str, attributes: int) -> Entry:
        """Give ``name`` an entry without content, and return it."""
        plain = plain_alias(name)
        taken = {entry.alias for entry in directory.entries if not entry.is_label}
        alias, flags = plain or (make_alias(name, taken), 0)
        entry = Entry(name, alias, attributes, flags, 0, 0, self._timestamp)
        raw = pack_entry(entry, with_long_name=plain is None)
        slot = directory.find_room(len(raw) // SLOT)
        while slot is None:
            self._grow(directory, path)
            slot = directory.find_room(len(raw) // SLOT)
        self._write(directory.put(slot, raw))
        return replace(entry, slot=slot, slots=len(raw) // SLOT)

    def _grow(self, directory: Directory, path: str) -> None:
        """Give a directory one more cluster."""
        first_place = directory.extents[0][0]
        if self._geometry.bits != FAT32 and first_place == self._geometry.root:
            raise NoSpaceError(
                f"{self._name}: {path}: the root directory of FAT{self._geometry.bits} is full",
                hint="write it into a subdirectory",
            )
        size = self._geometry.cluster_size
        if len(directory.data) + size > _MOST_SLOTS * SLOT:
            raise NoSpaceError(f"{self._name}: {path}: the directory is full")
        cluster = self._table.allocate(1, of=path)[0]
        last = self._cluster_at(directory.extents[-1][0])
        self._table.append(last, cluster)
        place = self._geometry.place(cluster)
        self._disk.write(place, bytes(size))
        directory.grow(place, size)

    def _cluster_at(self, place: int) -> int:
        """Return the cluster that begins at ``place`` of the disk."""
        return (place - self._geometry.clusters_start) // self._geometry.cluster_size + 2

    def _update(self, directory: Directory, entry: Entry, cluster: int, size: int) -> None:
        """Point an entry at new content."""
        attributes = entry.attributes & DIRECTORY or ARCHIVE
        changed = replace(
            entry, attributes=attributes, cluster=cluster, size=size, mtime=self._timestamp
        )
        start = entry.slot * SLOT
        raw = bytes(directory.data[start : start + entry.slots * SLOT])
        self._write(directory.put(entry.slot, repack_entry(raw, changed)))

    def _clusters(self, entry: Entry, path: str) -> list[int]:
        return self._table.chain(entry.cluster, of=path) if entry.cluster else []

    def _fill(self, path: str, content: Content, clusters: list[int]) -> None:
        """Write a file's content into its clusters, zeros behind its end."""
        left = content.size
        with content.open() as stream:
            for offset, length in self._runs(clusters):
                for start in range(0, length, _PIECE):
                    wanted = min(_PIECE, length - start)
                    piece = stream.read(min(wanted, left))
                    if len(piece) < min(wanted, left):
                        raise HostError(
                            f"{path}: its content ended {left - len(piece)} bytes early"
                        )
                    self._disk.write(offset + start, piece.ljust(wanted, b"\0"))
                    left -= len(piece)

    def _runs(self, clusters: list[int]) -> Iterator[tuple[int, int]]:
        """Yield place and length of clusters, those that follow one another taken together."""
        size = self._geometry.cluster_size
        start = 0
        for index in range(1, len(clusters) + 1):
            if index == len(clusters) or clusters[index] != clusters[index - 1] + 1:
                yield self._geometry.place(clusters[start]), (index - start) * size
                start = index

    def _remove(self, directory: Directory, entry: Entry, path: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise FormatError(f"{self._name}: {path}: directories nested too deep")
        if entry.is_directory:
            inner = self._enter(entry, path)
            for child in [e for e in inner.entries if not e.is_label and not e.is_dot]:
                self._remove(inner, child, f"{path}/{child.name}", depth + 1)
            self._directories.pop(entry.cluster, None)
        self._table.release(self._clusters(entry, path))
        self._write(directory.erase(entry))

    def _write(self, pieces: list[tuple[int, bytes]]) -> None:
        for offset, raw in pieces:
            self._disk.write(offset, raw)
