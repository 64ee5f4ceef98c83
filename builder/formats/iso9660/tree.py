"""One tree of an ISO 9660 image, read: directories, names and what lies behind them.

Source: ECMA-119, 3rd edition, section 6.8. A file may be several pieces, each with a record.

Does not know paths through links: a symbolic link is a node like any other.
"""

import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from builder.errors import FormatError, UnsupportedError
from builder.formats.disk import MIB, Disk
from builder.formats.filesystem import Kind, Node
from builder.formats.iso9660.directory import ASSOCIATED, Record, read_directory
from builder.formats.iso9660.names import logical_name
from builder.formats.iso9660.rock_ridge import (
    Attributes,
    read_attributes,
    read_plain_name,
)
from builder.formats.iso9660.system_use import Protocol, iter_continuations, read_protocol
from builder.formats.iso9660.volume import BLOCK, Descriptor
from builder.formats.iso9660.zisofs import Packing, read_packing, unpack
from builder.structs import Struct, field

_KEPT_DIRECTORIES = 16
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
}
_PLAIN_FILE, _PLAIN_DIRECTORY = 0o444, 0o555


class Entry(Struct, frozen=True):
    """A name in a directory.

    Attributes:
        name: The displayed name.
        records: One for each piece of a file, else one.
        attributes: What Rock Ridge says, ``None`` without it.
        packing: How the content is compressed, ``None`` when it is not.
    """

    name: str
    records: tuple[Record, ...]
    attributes: Attributes | None
    packing: Packing | None = None

    @property
    def is_directory(self) -> bool:
        """Return whether it is a directory, here or elsewhere."""
        return self.records[0].is_directory or self.is_placeholder

    @property
    def is_placeholder(self) -> bool:
        """Return whether it only points at a directory that lay too deep."""
        return self.attributes is not None and self.attributes.child is not None

    @property
    def extent(self) -> int:
        """Block of the directory, or of the file's first piece."""
        if self.attributes is not None and self.attributes.child is not None:
            return self.attributes.child
        return self.records[0].extent

    @property
    def size(self) -> int:
        """Bytes of the content as it is stored."""
        return sum(record.size for record in self.records)

    def node(self) -> Node:
        """Describe it."""
        attributes = self.attributes
        if attributes is None or not attributes.mode:
            kind = Kind.DIRECTORY if self.is_directory else Kind.FILE
            mode = _PLAIN_DIRECTORY if self.is_directory else _PLAIN_FILE
            return Node(kind, mode, size=self._length(kind), mtime=self.records[0].mtime)
        kind = _KINDS.get(stat.S_IFMT(attributes.mode), Kind.OTHER)
        mtime = self.records[0].mtime if attributes.mtime is None else attributes.mtime
        return Node(
            Kind.DIRECTORY if self.is_directory else kind,
            stat.S_IMODE(attributes.mode),
            attributes.uid,
            attributes.gid,
            self._length(kind),
            attributes.target.decode("utf-8", "surrogateescape"),
            mtime,
        )

    def _length(self, kind: Kind) -> int:
        """Return the length of a file; the others have none."""
        if kind is not Kind.FILE:
            return 0
        return self.size if self.packing is None else self.packing.size


class Directory(Struct, eq=False):
    """The records of a directory.

    Attributes:
        records: Its own, its parent's, then the others in order.
        size: Bytes that it has on the medium.
        name_of: Returns the displayed name; ``None`` for hidden records.
    """

    records: list[Record]
    size: int
    name_of: Callable[[Record], str | None]
    _index: dict[str, Record] | None = field(default=None)

    def find(self, name: str) -> Record | None:
        """Return the first record of ``name``."""
        return self.index().get(name)

    def index(self) -> dict[str, Record]:
        """Return the first record of every name."""
        if self._index is None:
            self._index = {}
            for record in self.records[2:]:
                name = self.name_of(record)
                if name is not None:
                    self._index.setdefault(name, record)
        return self._index

    def insert(self, at: int, name: str, records: Sequence[Record]) -> None:
        """Put in the records of a new name."""
        self.index()[name] = records[0]
        self.records[at:at] = records

    def drop(self, name: str, records: Sequence[Record]) -> None:
        """Take out the records of a name."""
        del self.index()[name]
        for record in records:
            self.records.remove(record)

    def pieces(self, first: Record) -> tuple[Record, ...]:
        """Return all records of the file that begins with ``first``."""
        if not first.is_continued:
            return (first,)
        at = self.records.index(first)
        found = [first]
        for record in self.records[at + 1 :]:
            if record.identifier != first.identifier:
                break
            found.append(record)
            if not record.is_continued:
                return tuple(found)
        raise FormatError(f"ISO 9660: record {first.identifier!r}: its last piece is missing")


class Tree:
    """A tree, as one volume descriptor has it."""

    def __init__(self, disk: Disk, descriptor: Descriptor) -> None:
        self.disk = disk
        self.descriptor = descriptor
        self.root = descriptor.placement.root
        records, _ = read_directory(disk, self.root)
        self.protocol: Protocol | None = read_protocol(records[0])
        self._cache: OrderedDict[int, Directory] = OrderedDict()

    def read_area(self, block: int, offset: int, length: int) -> bytes:
        """Return a continuation area."""
        return self.disk.read(block * BLOCK + offset, length)

    def directory(self, extent: int) -> Directory:
        """Return the directory at a block; it must not be changed."""
        found = self._cache.get(extent)
        if found is None:
            found = self.load(extent)
            self._cache[extent] = found
            if len(self._cache) > _KEPT_DIRECTORIES:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(extent)
        return found

    def forget(self) -> None:
        """Drop the directories that are held; they hold the tree, so nobody else would soon."""
        self._cache.clear()

    def load(self, extent: int) -> Directory:
        """Read the directory at a block anew."""
        records, size = read_directory(self.disk, extent)
        return Directory(records, size, self.name_of)

    def name_of(self, record: Record) -> str | None:
        """Return the displayed name; ``None`` for hidden records."""
        if record.raw[25] & ASSOCIATED:
            return None
        plain = read_plain_name(record, self.protocol) if self.protocol is not None else None
        name = plain.decode("utf-8", "surrogateescape") if plain else self._stated_name(record)
        if name is not None and (name in {"", ".", ".."} or "/" in name or "\0" in name):
            raise FormatError(f"ISO 9660: {name!r} is not a valid name of a file")
        return name

    def _stated_name(self, record: Record) -> str | None:
        """Return the name of a record that takes a closer look, whatever it is."""
        attributes = self.attributes(record)
        if attributes is not None and attributes.moved:
            return None
        if attributes is not None and attributes.name:
            return attributes.name.decode("utf-8", "surrogateescape")
        return logical_name(record.identifier, joliet=self.descriptor.is_joliet)

    def attributes(self, record: Record) -> Attributes | None:
        """Return what Rock Ridge says of a record, if the tree has it."""
        if self.protocol is None:
            return None
        return read_attributes(record, self.protocol, self.read_area)

    def continuations(self, record: Record) -> Iterator[int]:
        """Yield the blocks in which a record's entries go on."""
        if self.protocol is not None:
            yield from iter_continuations(record, self.protocol, self.read_area)

    def entries(self, extent: int) -> Iterator[Entry]:
        """Yield what a directory holds, in recorded order."""
        directory = self.directory(extent)
        for name, first in directory.index().items():
            yield self._entry(directory, name, first)

    def locate(self, path: str) -> Entry | None:
        """Return what lies at an absolute path; ``None`` when nothing does."""
        own = self.directory(self.root).records[0]
        found, above = Entry("", (own,), self.attributes(own)), {self.root}
        for name in filter(None, path.split("/")):
            if not found.is_directory:
                return None
            directory = self.directory(found.extent)
            first = directory.find(name)
            if first is None:
                return None
            found = self._entry(directory, name, first)
            if found.is_directory:
                if found.extent in above:
                    raise FormatError(f"ISO 9660: {path}: the directory lies in itself")
                above.add(found.extent)
        return found

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yield a file's content in pieces of 1 MiB at most."""
        if entry.packing is not None:
            yield from self._unpacked(entry, entry.packing)
            return
        for record in entry.records:
            start, size = record.extent * BLOCK, record.size
            for offset in range(0, size, MIB):
                yield self.disk.read(start + offset, min(MIB, size - offset))

    def _unpacked(self, entry: Entry, packing: Packing) -> Iterator[bytes]:
        """Yield the content of a file that is compressed."""
        if len(entry.records) > 1:
            raise UnsupportedError(f"ISO 9660: {entry.name}: a compressed file of several pieces")
        (record,) = entry.records
        start = record.extent * BLOCK
        yield from unpack(
            entry.name, packing, record.size, lambda at, size: self.disk.read(start + at, size)
        )

    def _packing(self, record: Record) -> Packing | None:
        """Return how a file is compressed, if it is."""
        if self.protocol is None or record.is_directory:
            return None
        return read_packing(record, self.protocol, self.read_area)

    def _entry(self, directory: Directory, name: str, first: Record) -> Entry:
        attributes = self.attributes(first)
        if attributes is not None and attributes.child is not None:
            own = self.directory(attributes.child).records[0]
            there = self.attributes(own)
            if there is not None:
                mode = there.mode
                attributes = Attributes(
                    attributes.name, mode, there.uid, there.gid, child=attributes.child
                )
        return Entry(name, directory.pieces(first), attributes, self._packing(first))
