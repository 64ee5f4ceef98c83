"""An ext2, ext3 or ext4 filesystem inside a disk, read and edited in place.

Source: kernel ``Documentation/filesystems/ext4/``. The cost of an edit follows the number of
changes, not the size of the filesystem. Checksums are compared when something is read and
renewed when it is written. Does not repair: what is damaged, or stored with a feature that
is not known, is refused. Backups of the superblock and group descriptors stay as they are.

After an error the filesystem on the disk is half edited: the caller throws away what was
written, which is why edits go to a copy-on-write disk.
"""

import stat
from collections.abc import Iterator

from builder.errors import GuestError
from builder.formats.disk import Disk
from builder.formats.ext4.allocator import Allocator
from builder.formats.ext4.attributes import release_attributes
from builder.formats.ext4.content import iter_content, write_content
from builder.formats.ext4.dirblock import NAME_LIMIT, TYPE_DIRECTORY, TYPE_FILE, TYPE_SYMLINK
from builder.formats.ext4.directory import Directories
from builder.formats.ext4.features import Compat, Incompat, ReadOnly
from builder.formats.ext4.groups import Groups
from builder.formats.ext4.inode import MAP_OFFSET, MAP_SIZE, ROOT, Inode, Inodes
from builder.formats.ext4.journal import Journal
from builder.formats.ext4.mapping import Mapper
from builder.formats.ext4.orphans import clear_orphans
from builder.formats.ext4.superblock import MAGIC, OFFSET
from builder.formats.ext4.usage import iter_used
from builder.formats.ext4.volume import Volume
from builder.formats.filesystem import Content, Kind, Node

_LARGE_FILE = 1 << 31
_MOST_IDS = 0xFFFFFFFF
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


def is_ext4(disk: Disk, offset: int) -> bool:
    """Return whether an ext2, ext3 or ext4 superblock lies in its place after ``offset``."""
    place = offset + OFFSET + 0x38
    if offset < 0 or place + 2 > disk.size:
        return False
    return int.from_bytes(disk.read(place, 2), "little") == MAGIC


class Ext4:
    """Implements :class:`builder.formats.filesystem.Filesystem` for ext4.

    Attributes:
        label: Volume name.
        uuid: Identifier, lower case with dashes.
        block_size: Bytes in a block.
        size: Length of the filesystem.
    """

    holds_modes = True

    def __init__(self, disk: Disk, offset: int, *, timestamp: int, name: str = "ext4") -> None:
        """Open the filesystem at ``offset``; a journal that waits to be replayed is replayed.

        Args:
            disk: What holds it.
            offset: First byte.
            timestamp: Time to write into every inode that is changed.
            name: What messages call it, such as ``partition 3``.
        """
        self._name = name
        self._attach(Volume(disk, offset, timestamp=timestamp, name=name))
        if self._recover():
            self._attach(Volume(disk, offset, timestamp=timestamp, name=name))
            self._allocator.recount()
            self._volume.superblock.incompat &= ~Incompat.NEEDS_RECOVERY.value
            self._volume.write_superblock()
        superblock = self._volume.superblock
        superblock.check_is_clean()
        clear_orphans(self._mapper)
        self.label = superblock.label
        self.uuid = str(superblock.uuid)
        self.block_size = superblock.block_size
        self.size = superblock.blocks_count * superblock.block_size

    @property
    def free(self) -> int:
        """Bytes that can still be allocated, those reserved for the superuser included."""
        return self._volume.superblock.free_blocks * self.block_size

    def lstat(self, path: str) -> Node | None:
        """Describe ``path``; ``None`` when it or a parent is absent or not a directory."""
        inode = self._find(path)
        if inode is None:
            return None
        kind = _KINDS.get(stat.S_IFMT(inode.mode), Kind.OTHER)
        return Node(
            kind=kind,
            mode=stat.S_IMODE(inode.mode),
            uid=inode.uid,
            gid=inode.gid,
            size=inode.size if kind is Kind.FILE else 0,
            target=self._target(inode) if kind is Kind.SYMLINK else "",
            mtime=inode.mtime,
        )

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a regular file's content in pieces of 1 MiB at most."""
        inode = self._find(path)
        if inode is None or not inode.is_file:
            raise self._unfit(path, "no such file" if inode is None else "not a regular file")
        return iter_content(self._mapper, inode)

    def names(self, path: str) -> list[str]:
        """Return a directory's entries, sorted, without ``.`` and ``..``."""
        entries = self._directories.entries(self._directory(path))
        return sorted(entry.name.decode("utf-8", "surrogateescape") for entry in entries)

    def write_file(self, path: str, content: Content, *, mode: int, uid: int, gid: int) -> None:
        """Make ``path`` a regular file; an existing file or link of that name is replaced.

        A file with this one name keeps its inode number and nothing else: attributes
        beyond mode and owner go, as if the new file had been moved over it.
        """
        self._check_owner(path, mode, uid, gid)
        self._mapper.check_size(content.size, path)
        parent, name = self._parent(path)
        old = self._replaceable(parent, name, path)
        in_place = old is not None and old.is_file and old.links == 1
        if old is not None and in_place:
            release_attributes(self._mapper, old)
            self._mapper.release(old)
        blocks = -(-content.size // self.block_size)
        self._allocator.check_room(blocks, path)
        if old is not None and in_place:
            inode = self._inodes.make(old.number, stat.S_IFREG)
        else:
            inode = self._make(parent, stat.S_IFREG)
        inode.set_owner(mode, uid, gid)
        runs = self._allocator.allocate(blocks, self._mapper.near(inode))
        self._mapper.assign(inode, runs)
        write_content(self._volume, runs, content, path)
        inode.size = content.size
        if inode.size >= _LARGE_FILE:
            self._volume.superblock.read_only |= ReadOnly.LARGE_FILE
        self._inodes.write(inode)
        if not in_place:
            self._link(parent, name, inode, TYPE_FILE, old)

    def make_directory(self, path: str, *, mode: int, uid: int, gid: int) -> None:
        """Make ``path`` a directory, or give the existing one this mode and owner."""
        self._check_owner(path, mode, uid, gid)
        existing = self._find(path)
        if existing is not None:
            if not existing.is_directory:
                raise self._unfit(path, "not a directory")
            existing.set_owner(mode, uid, gid)
            self._inodes.write(existing)
            return
        parent, name = self._parent(path)
        inode = self._make(parent, stat.S_IFDIR, links=2)
        inode.set_owner(mode, uid, gid)
        self._directories.begin(inode, parent.number)
        self._inodes.write(inode)
        self._directories.add_link(parent)
        self._link(parent, name, inode, TYPE_DIRECTORY, None)

    def make_symlink(self, path: str, target: str) -> None:
        """Make ``path`` a symbolic link; an existing file or link of that name is replaced."""
        content = self._encode(path, target)
        if not 0 < len(content) < self.block_size or b"\0" in content:
            raise self._unfit(path, f"a link's target has 1 to {self.block_size - 1} bytes")
        parent, name = self._parent(path)
        old = self._replaceable(parent, name, path)
        inode = self._make(parent, stat.S_IFLNK)
        inode.set_owner(0o777, 0, 0)
        if len(content) < MAP_SIZE:
            inode.map_root = content
        else:
            runs = self._allocator.allocate(1, self._mapper.near(inode))
            self._mapper.assign(inode, runs)
            self._volume.write(runs[0].start, content.ljust(self.block_size, b"\0"))
        inode.size = len(content)
        self._inodes.write(inode)
        self._link(parent, name, inode, TYPE_SYMLINK, old)

    def remove(self, path: str) -> None:
        """Remove ``path`` and everything below it; absent already is fine."""
        top = self._find(path)
        if top is None:
            return
        parent, name = self._parent(path)
        self._directories.remove(parent, name)
        if top.is_directory:
            self._directories.drop_link(parent)
        self._inodes.write(parent)
        self._folders.clear()
        self._remove_tree(top)

    def iter_used(self) -> Iterator[tuple[int, int]]:
        """Yield offset and length of what is in use, in bytes of the filesystem, ascending."""
        for run in iter_used(self._groups, self._allocator.bitmaps):
            yield run.start * self.block_size, run.length * self.block_size

    def flush(self) -> None:
        """Write out inodes, bitmaps, group descriptors and the superblock, where they changed."""
        self._inodes.flush()
        self._allocator.bitmaps.flush()
        self._groups.flush()
        if self._volume.is_changed:
            self._volume.write_superblock()

    def _attach(self, volume: Volume) -> None:
        """Forget everything that was read and begin with ``volume``."""
        self._volume = volume
        self._groups = Groups(volume)
        self._inodes = Inodes(self._groups)
        self._allocator = Allocator(self._groups)
        self._mapper = Mapper(self._inodes, self._allocator)
        self._directories = Directories(self._mapper, self._allocator)
        self._folders: dict[str, int] = {}

    def _recover(self) -> bool:
        """Replay the journal if needed; return whether it was."""
        superblock = self._volume.superblock
        if not superblock.compat & Compat.HAS_JOURNAL:
            return False
        journal = Journal(self._mapper)
        if superblock.needs_recovery:
            journal.replay()
        elif not journal.is_empty:
            raise self._volume.damage("the journal holds transactions, but needs_recovery is unset")
        return superblock.needs_recovery

    def _unfit(self, path: str, found: str) -> GuestError:
        """Return the error for an operation that the tree does not allow."""
        return GuestError(f"{self._name}: {path}: {found}")

    def _check_owner(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Refuse what an inode cannot hold."""
        if mode & ~0o7777 or not 0 <= uid < _MOST_IDS or not 0 <= gid < _MOST_IDS:
            raise self._unfit(path, f"mode {mode:#o}, owner {uid}:{gid} do not fit an inode")

    def _encode(self, path: str, text: str) -> bytes:
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise self._unfit(ascii(path), "contains characters that are not valid text") from error

    def _split(self, path: str) -> list[bytes]:
        names = [name for name in self._encode(path, path).split(b"/") if name]
        if not path.startswith("/") or b"." in names or b".." in names or "\0" in path:
            raise self._unfit(path, "wanted an absolute path without . and ..")
        return names

    def _walk(self, names: list[bytes]) -> Inode | None:
        """Return the inode that names lead to from the root."""
        inode, above = self._root(), {ROOT}
        for name in names:
            number = self._directories.find(inode, name) if inode.is_directory else 0
            if not number:
                return None
            if number in above:
                raise self._volume.damage(f"inode {number}: the directory lies in itself")
            above.add(number)
            inode = self._child(number)
        return inode

    def _root(self) -> Inode:
        inode = self._inodes.read(ROOT)
        if not inode.is_directory:
            raise self._volume.damage(f"inode {ROOT}: the root is not a directory")
        return inode

    def _child(self, number: int) -> Inode:
        """Return the inode that a directory entry names."""
        if number < self._volume.superblock.first_inode:
            raise self._volume.damage(f"a directory entry names the reserved inode {number}")
        return self._inodes.read(number)

    def _find(self, path: str) -> Inode | None:
        """Return the inode of ``path``; ``None`` when it is absent."""
        names = self._split(path)
        if not names:
            return self._root()
        above = self._folder(path.rpartition("/")[0], names[:-1])
        return self._below(above, names[-1]) if above else None

    def _below(self, directory: Inode, name: bytes) -> Inode | None:
        """Return the inode of a name in a directory; ``None`` when it is absent."""
        number = self._directories.find(directory, name)
        return self._child(number) if number else None

    def _directory(self, path: str) -> Inode:
        """Return the inode of a directory that must exist."""
        inode = self._find(path)
        if inode is None or not inode.is_directory:
            raise self._unfit(path, "no such directory" if inode is None else "not a directory")
        return inode

    def _parent(self, path: str) -> tuple[Inode, bytes]:
        """Return the directory that holds ``path``, and its last component."""
        names = self._split(path)
        if not names:
            raise self._unfit(path, "the root itself cannot be replaced or removed")
        if len(names[-1]) > NAME_LIMIT:
            raise self._unfit(
                path, f"a name of {len(names[-1])} bytes, wanted {NAME_LIMIT} at most"
            )
        parent = self._folder(path.rpartition("/")[0], names[:-1])
        if parent is None:
            raise self._unfit(path, "its parent is not a directory")
        return parent, names[-1]

    def _folder(self, path: str, names: list[bytes]) -> Inode | None:
        """Return the inode of a directory; cached until something is removed."""
        if path in self._folders:
            return self._inodes.read(self._folders[path])
        inode = self._walk(names)
        if inode is None or not inode.is_directory:
            return None
        self._folders[path] = inode.number
        return inode

    def _replaceable(self, parent: Inode, name: bytes, path: str) -> Inode | None:
        """Return the inode that a new file or link takes the name of."""
        number = self._directories.find(parent, name)
        old = self._child(number) if number else None
        if old is not None and old.is_directory:
            raise self._unfit(path, "is a directory")
        return old

    def _make(self, parent: Inode, kind: int, links: int = 1) -> Inode:
        """Return a new inode near its parent; nothing is written."""
        near = self._mapper.near(parent)
        number = self._allocator.allocate_inode(near, directory=kind == stat.S_IFDIR)
        return self._inodes.make(number, kind, links)

    def _link(self, parent: Inode, name: bytes, inode: Inode, kind: int, old: Inode | None) -> None:
        """Have ``name`` stand for ``inode``, and no longer for ``old``."""
        if old is None:
            self._directories.add(parent, name, inode.number, kind)
        else:
            self._directories.replace(parent, name, inode.number, kind)
            self._drop(old)
        self._inodes.write(parent)

    def _drop(self, inode: Inode) -> None:
        """Take one name off an inode; the last one frees it."""
        if inode.links > 1 and not inode.is_directory:
            inode.links -= 1
            self._inodes.write(inode)
            return
        release_attributes(self._mapper, inode)
        self._mapper.release(inode)
        self._allocator.free_inode(inode.number, directory=inode.is_directory)
        self._inodes.clear(inode.number)

    def _remove_tree(self, top: Inode) -> None:
        """Free an inode without a name, and all that was below it."""
        pending = [top]
        while pending:
            inode = pending.pop()
            if inode.is_directory:
                for entry in self._directories.entries(inode):
                    child = self._child(entry.inode)
                    if child.is_directory:
                        pending.append(child)
                    else:
                        self._drop(child)
            self._drop(inode)

    def _target(self, inode: Inode) -> str:
        """Return where a symbolic link points."""
        if not 0 < inode.size <= self.block_size:
            raise self._volume.damage(f"inode {inode.number}: a link of {inode.size} bytes")
        if inode.is_short_symlink:
            raw = bytes(inode.raw[MAP_OFFSET : MAP_OFFSET + inode.size])
        else:
            raw = self._volume.read(self._mapper.blocks(inode)[0])[: inode.size]
        return raw.decode("utf-8", "surrogateescape")
