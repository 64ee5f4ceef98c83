"""One tree of an ISO 9660 image while it is changed: only the directories in question are loaded.

Source: ECMA-119, 3rd edition, sections 6.8, 6.9 and 9. The path table names every directory, so
that none has to be looked for. A directory is changed in the room it has; when it outgrows that
it moves, and then its parent, its own first record and the second of each of its children, and
the path tables must say so.

Does not decide where anything goes: see ``append``.
"""

import bisect
import stat
from collections.abc import Iterable, Iterator, Sequence

from builder.errors import FormatError, GuestError, UnsupportedError
from builder.formats.iso9660.directory import (
    DIRECTORY,
    LARGEST_RECORD,
    MORE,
    PARENT,
    SELF,
    Record,
    head_size,
    make_record,
    pack_directory,
    packed_size,
)
from builder.formats.iso9660.names import (
    check_joliet_name,
    check_plain_name,
    choose_identifier,
    joliet_sort_key,
    sort_key,
)
from builder.formats.iso9660.path_table import (
    MOST_DIRECTORIES,
    PathTable,
    pack_path_tables,
    read_path_table,
)
from builder.formats.iso9660.rock_ridge import Attributes, edit_mode, pack_attributes
from builder.formats.iso9660.system_use import CE_SIZE, Overflow, carry_continuation
from builder.formats.iso9660.tree import Directory, Tree
from builder.formats.iso9660.volume import BLOCK

_MOVED_DIRECTORY = b"RR_MOVED"


class TreeEditor:
    """A tree that is being changed; directories go by their index in ``table``.

    Attributes:
        tree: The tree as it is.
        table: Its directories.
        gone: Indexes of those that were removed.
        made: Records that are new.
        root_moved: Whether every directory must move.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.table: PathTable = read_path_table(tree.disk, tree.descriptor)
        self.gone: set[int] = set()
        self.made: set[Record] = set()
        self.root_moved = False
        self._loaded: dict[int, Directory] = {}
        self._changed: set[int] = set()
        self._moved: list[int] = []
        self._anchors: dict[int, Record] = {}
        self._known: dict[Record, int] = {}
        self._used: dict[int, set[bytes]] = {}
        self._overflows: dict[Record, Overflow] = {}
        self._by_extent = {extent: at for at, extent in enumerate(self.table.extents)}
        self._base_table = (list(self.table.extents), len(self.table.names))
        self.key = joliet_sort_key if tree.descriptor.is_joliet else sort_key

    def directory(self, index: int) -> Directory:
        """Return a directory, loaded."""
        if index not in self._loaded:
            self._loaded[index] = self.tree.load(self.table.extents[index])
        return self._loaded[index]

    def find(self, parent: int, name: str) -> Record | None:
        """Return the first record of a name in a directory."""
        return self.directory(parent).find(name)

    def child(self, parent: int, record: Record) -> int:
        """Return the index of the directory that a record in ``parent`` names.

        Raises:
            FormatError: the path table does not have it.
            UnsupportedError: it lay too deep and lives elsewhere.
        """
        if record in self._known:
            return self._known[record]
        attributes = self.tree.attributes(record)
        if attributes is not None and (attributes.child is not None or attributes.moved):
            raise UnsupportedError(
                f"ISO 9660: the directory {record.identifier!r} lay too deep and was moved"
                " elsewhere in the tree; such a tree cannot be changed there",
                hint="make the image with mkisofs -D, or change another place",
            )
        index = self._by_extent.get(record.extent)
        known = None if index is None else (self.table.parents[index], self.table.names[index])
        if index is None or known != (parent, record.identifier):
            raise FormatError(
                f"ISO 9660: the path table does not have {record.identifier!r} at block"
                f" {record.extent}"
            )
        self._anchors[index], self._known[record] = record, index
        return index

    def put(
        self, parent: int, name: str, attributes: Attributes, pieces: int
    ) -> tuple[Sequence[Record], Sequence[Record]]:
        """Make a file or link, and return its records and those that it replaces.

        Raises:
            GuestError: a directory of that name is there, or the name cannot be recorded.
        """
        old = self._drop(parent, name)
        identifier = old[0].identifier if old else self._identifier(parent, name)
        records = []
        for at in range(pieces):
            flags = MORE * (at + 1 < pieces)
            records.append(self._record(identifier, flags, attributes))
        self._insert(parent, name, records)
        return records, old

    def make_directory(self, parent: int, name: str, attributes: Attributes) -> int:
        """Make a directory and return its index."""
        if len(self.table.names) - len(self.gone) >= MOST_DIRECTORIES:
            raise GuestError(f"ISO 9660: {name}: there are {MOST_DIRECTORIES} directories already")
        identifier = self._identifier(parent, name, directory=True)
        record = self._record(identifier, DIRECTORY, attributes)
        plain = Attributes(b"", *_rest(attributes))
        own = [self._record(one, DIRECTORY, plain) for one in (SELF, PARENT)]
        index = self.table.add(identifier, 0, parent)
        self._loaded[index] = Directory(own, 0, self.tree.name_of)
        self._insert(parent, name, [record])
        self._known[record], self._anchors[index] = index, record
        self._changed.add(index)
        self._count_links(parent, 1)
        return index

    def set_mode(self, index: int, attributes: Attributes) -> None:
        """Give a directory another mode and owner."""
        owner = (attributes.uid, attributes.gid)
        self._edit(index, mode=attributes.mode, owner=owner)

    def remove(self, parent: int, name: str) -> Iterator[Record]:
        """Remove a name and everything below it; yields the records of all files that are gone.

        Raises:
            UnsupportedError: something below may live elsewhere in the tree.
        """
        record = self.find(parent, name)
        if record is None:
            return
        if record.is_directory:
            yield from self._remove_directory(parent, record, name)
            return
        yield from self._drop(parent, name)

    def renew(self, index: int, directory: Directory, records: Iterable[Record]) -> None:
        """Take records of a directory for new ones: what they say of themselves may change."""
        self._loaded.setdefault(index, directory)
        self._changed.add(index)
        self.made.update(records)

    def overflows(self) -> list[Overflow]:
        """Return the entries that do not fit into their record."""
        return list(self._overflows.values())

    def growing(self) -> list[tuple[int, int]]:
        """Return the directories that must move, parents first, and how many bytes they need.

        Where a directory goes, those below it follow: libarchive reads an image from front to
        back and skips a directory that lies before its parent.
        """
        found: dict[int, int] = {}
        for index, parent in enumerate(self.table.parents):
            if index in self.gone:
                continue
            if index not in self._changed and parent not in found and not self.root_moved:
                continue
            directory = self.directory(index)
            size = packed_size(directory.records)
            if size > directory.size or parent in found or (self.root_moved and not index):
                found[index] = max(size, directory.size)
                self._learn_children(index, directory)
        return list(found.items())

    def place(self, index: int, extent: int, size: int) -> None:
        """Take in where a directory moved to."""
        self.table.extents[index] = extent
        self._loaded[index].size = size
        self._moved.append(index)

    def settle(self) -> None:
        """Correct what points at the directories that moved, once all of them have been placed."""
        for index in self._moved:
            extent, size = self.table.extents[index], self._loaded[index].size
            records = self._loaded[index].records
            parent = self.table.parents[index]
            records[0].place(extent, size)
            records[1].place(self.table.extents[parent], self.directory(parent).size)
            self.carry(records[0])
            if index:
                self._anchors[index].place(extent, size)
            self._changed |= {index, parent}

    def changed_extents(self) -> Iterator[int]:
        """Yield the blocks of all directories that change, and the root's."""
        yield self.table.extents[0]
        for index in self._changed - self.gone:
            yield self.table.extents[index]

    def patches(self) -> dict[int, bytes]:
        """Return the changed directories by offset, once they have been placed."""
        return {
            self.table.extents[index] * BLOCK: pack_directory(
                self._loaded[index].records, self._loaded[index].size
            )
            for index in sorted(self._changed - self.gone)
        }

    def tables(self) -> tuple[bytes, bytes] | None:
        """Return both path tables, ``None`` when they are as they were."""
        if not self.gone and (self.table.extents, len(self.table.names)) == self._base_table:
            return None
        keep = [index for index in range(len(self.table.names)) if index not in self.gone]
        return pack_path_tables(self.table, keep, self.key)

    def root_size(self) -> int:
        """Return the bytes of the root directory."""
        if 0 in self._loaded:
            return self._loaded[0].size
        return self.tree.descriptor.placement.root_size

    def surviving(self) -> Iterator[tuple[int, Directory]]:
        """Yield every directory that is still there, by index; loads them one by one."""
        for index, extent in enumerate(self.table.extents):
            if index not in self.gone:
                yield index, self._loaded.get(index) or self.tree.load(extent)

    def _identifier(self, parent: int, name: str, *, directory: bool = False) -> bytes:
        """Choose how a new name is recorded."""
        used = self._identify(parent)
        if self.tree.descriptor.is_joliet:
            return check_joliet_name(name)
        if self.tree.protocol is None:
            return check_plain_name(name, used, directory=directory)
        return choose_identifier(name, used, directory=directory)

    def _record(self, identifier: bytes, flags: int, attributes: Attributes) -> Record:
        area, rest = b"", b""
        head = head_size(identifier)
        if self.tree.protocol is not None:
            room = LARGEST_RECORD - head
            area, rest = pack_attributes(attributes, self.tree.protocol, room)
        record = make_record(identifier, flags=flags, mtime=attributes.mtime or 0, system_use=area)
        self.made.add(record)
        if rest:
            self._overflows[record] = Overflow(record, head + len(area) - CE_SIZE, rest)
        return record

    def _insert(self, parent: int, name: str, records: Sequence[Record]) -> None:
        """Put the records of a new name where they belong."""
        directory = self.directory(parent)
        identifier = records[0].identifier
        where = bisect.bisect_left(
            directory.records, self.key(identifier), 2, key=lambda one: self.key(one.identifier)
        )
        directory.insert(where, name, records)
        self._identify(parent).add(identifier)
        self._changed.add(parent)

    def _drop(self, parent: int, name: str) -> Sequence[Record]:
        """Take a file's or link's records out of a directory."""
        directory = self.directory(parent)
        first = directory.find(name)
        if first is None:
            return ()
        if first.is_directory:
            raise GuestError(f"ISO 9660: {name}: a directory is in the way of a file")
        self.refuse_placeholder(first)
        pieces = directory.pieces(first)
        directory.drop(name, pieces)
        self._identify(parent).discard(first.identifier)
        for record in pieces:
            self._overflows.pop(record, None)
        self._changed.add(parent)
        return pieces

    def refuse_placeholder(self, record: Record) -> None:
        """Refuse to replace what stands for a directory elsewhere."""
        if record in self._overflows:
            return
        attributes = self.tree.attributes(record)
        if attributes is not None and attributes.child is not None:
            raise UnsupportedError(
                f"ISO 9660: {record.identifier!r} stands for a directory that lay too deep"
            )

    def _remove_directory(self, parent: int, record: Record, name: str) -> Iterator[Record]:
        """Take a directory and everything below it out of the tree."""
        index = self.child(parent, record)
        if _MOVED_DIRECTORY in self.table.names:
            raise UnsupportedError(
                f"ISO 9660: {name}: directories that lay too deep live elsewhere in this tree;"
                " none can be removed"
            )
        gone = {index}
        for at in range(index + 1, len(self.table.names)):
            if self.table.parents[at] in gone:
                gone.add(at)
        gone -= self.gone
        self.directory(parent).drop(name, (record,))
        self._identify(parent).discard(record.identifier)
        self._overflows.pop(record, None)
        self._changed.add(parent)
        self._count_links(parent, -1)
        for at in gone:
            for one in self.directory(at).records[2:]:
                self._overflows.pop(one, None)
                if not one.is_directory:
                    yield one
            self._loaded.pop(at)
        self.gone |= gone

    def _identify(self, parent: int) -> set[bytes]:
        """Return which identifiers a directory has."""
        if parent not in self._used:
            records = self.directory(parent).records
            self._used[parent] = {record.identifier for record in records}
        return self._used[parent]

    def _count_links(self, index: int, more: int) -> None:
        """Count a directory's links: find(1) relies on the number."""
        self._edit(index, links=more)

    def _edit(
        self,
        index: int,
        *,
        mode: int | None = None,
        owner: tuple[int, int] | None = None,
        links: int = 0,
    ) -> None:
        """Change a directory's attributes in its own record and in its parent's."""
        protocol = self.tree.protocol
        if protocol is None:
            return
        own = self.directory(index).records
        records = own[:2] if index == 0 else [own[0], self._anchors[index]]
        for record in records:
            edit_mode(record, protocol, mode=mode, owner=owner, links=links)
        self._changed |= {index, self.table.parents[index]}

    def carry(self, record: Record) -> bool:
        """Take a continuation area along: libarchive wants it behind the directory."""
        if self.tree.protocol is not None and record not in self._overflows:
            found = carry_continuation(record, self.tree.protocol, self.tree.read_area)
            if found is not None:
                self._overflows[record] = found
        return record in self._overflows

    def carry_root(self) -> None:
        """Take along what the root says of itself elsewhere, wherever the root lies."""
        if self.carry(self.directory(0).records[0]):
            self._changed.add(0)

    def _learn_children(self, index: int, directory: Directory) -> None:
        for record in directory.records[2:]:
            if record in self._known:
                continue
            if not record.is_directory:
                if b"CL" in record.raw:
                    self.refuse_placeholder(record)
                continue
            child = self._by_extent.get(record.extent)
            if child is None or self.table.parents[child] != index:
                raise FormatError(f"ISO 9660: the path table does not have {record.identifier!r}")
            self._anchors[child], self._known[record] = record, child


def _rest(attributes: Attributes) -> tuple[int, int, int, int, bytes, int | None]:
    """Return all attributes but the name."""
    return (
        attributes.mode | stat.S_IFDIR,
        attributes.uid,
        attributes.gid,
        attributes.links,
        b"",
        attributes.mtime,
    )
