"""An ISO 9660 image opened for reading: its tree, what boots from it, and all checks.

Sources: see the modules of this package. The visible tree is Rock Ridge's, else
Joliet's, else the primary one with names in lower case.

Does not write: see ``append``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import FormatError, GuestError, HostError, UnsupportedError
from builder.formats.disk import FileDisk
from builder.formats.filesystem import Kind, Node
from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.el_torito import BootCatalog, check_tables, read_catalog
from builder.formats.iso9660.media_check import MediaSum, check_sum, parse_sum
from builder.formats.iso9660.path_table import read_path_table
from builder.formats.iso9660.system_area import SystemArea, read_system_area
from builder.formats.iso9660.tree import Entry, Tree
from builder.formats.iso9660.volume import APPLICATION_USE, BLOCK, Volume, read_volume
from builder.host import refusal
from builder.structs import Struct


class IsoFile(FileDisk):
    """The file of an image."""

    @property
    def fd(self) -> int:
        """Descriptor, open for reading."""
        return self._fd


class Iso(Struct, frozen=True):
    """An image that has been opened.

    Attributes:
        disk: Its bytes.
        volume: Its descriptors.
        primary: The tree every reader knows.
        joliet: The tree for Windows, if any.
        boot: What firmware boots, if anything.
        area: The partition tables in front.
        media_sum: The checksum implanted into it, if any.
    """

    disk: IsoFile
    volume: Volume
    primary: Tree
    joliet: Tree | None
    boot: BootCatalog | None
    area: SystemArea
    media_sum: MediaSum | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.disk.path

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.disk.size

    @property
    def volume_id(self) -> str:
        """Name of the volume."""
        return self.volume.primary.volume_id

    @property
    def tree(self) -> Tree:
        """The visible tree: Rock Ridge, else Joliet, else the primary one."""
        if self.joliet is not None and self.primary.protocol is None:
            return self.joliet
        return self.primary

    def lstat(self, path: str) -> Node | None:
        """Describe ``path``; ``None`` when it or a parent is absent or not a directory."""
        entry = self.tree.locate(path)
        return None if entry is None else entry.node()

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a regular file's content in pieces of 1 MiB at most."""
        entry = self.tree.locate(path)
        if entry is None or entry.node().kind is not Kind.FILE:
            raise GuestError(f"{self.path.name}: {path} is not a file")
        yield from self.tree.chunks(entry)

    def names(self, path: str) -> list[str]:
        """Return a directory's entries, sorted."""
        entry = self.tree.locate(path)
        if entry is None or not entry.is_directory:
            raise GuestError(f"{self.path.name}: {path} is not a directory")
        return sorted(self.tree.directory(entry.extent).index())

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield every path below ``/`` with its node, a directory before what it holds.

        Raises:
            FormatError: a directory is met twice.
        """
        for path, entry in iter_tree(self.tree):
            yield path, entry.node()

    def check(self, *, full: bool) -> None:
        """Check the structures, and with ``full`` every directory and the implanted checksum.

        Raises:
            FormatError: something is damaged.
        """
        try:
            self._check(full=full)
        except (FormatError, UnsupportedError) as error:
            error.add_note(f"in {self.path}")
            raise

    def _check(self, *, full: bool) -> None:
        for tree in (self.primary, self.joliet):
            if tree is not None:
                _check_path_tables(tree)
        if not full:
            return
        if self.boot is not None:
            check_tables(self.disk, self.boot)
        for tree in (self.primary, self.joliet):
            if tree is not None:
                _check_tree(tree)
        if self.media_sum is not None:
            check_sum(self.disk, self.volume, self.media_sum)


@contextmanager
def open_iso(path: Path) -> Iterator[Iso]:
    """Open an image.

    Raises:
        FormatError: it is not an ISO 9660 image, or is damaged or truncated.
        UnsupportedError: its blocks are not 2048 bytes.
        HostError: it cannot be read.
    """
    try:
        disk = IsoFile(path)
    except OSError as error:
        raise refusal(error, path) from error
    with disk:
        try:
            iso = _named(disk)
            try:
                yield iso
            finally:
                for tree in filter(None, (iso.primary, iso.joliet)):
                    tree.forget()
        except OSError as error:
            if error.filename is not None or error.errno is None:
                raise
            raise HostError(f"{path}: {os.strerror(error.errno)}") from error


def iter_tree(tree: Tree) -> Iterator[tuple[str, Entry]]:
    """Yield every path below ``/`` with its entry, a directory before what it holds."""
    waiting = [("", tree.root)]
    met = {tree.root}
    while waiting:
        above, extent = waiting.pop()
        for entry in tree.entries(extent):
            path = f"{above}/{entry.name}"
            yield path, entry
            if not entry.is_directory:
                continue
            if entry.extent in met:
                raise FormatError(f"ISO 9660: {path}: the directory is met twice; it is a circle")
            met.add(entry.extent)
            waiting.append((path, entry.extent))


def _named(disk: IsoFile) -> Iso:
    """Read what an image consists of; errors say which file it is."""
    try:
        return _open(disk)
    except (FormatError, UnsupportedError) as error:
        error.add_note(f"in {disk.path}")
        raise


def _open(disk: IsoFile) -> Iso:
    """Read what an image consists of."""
    volume = read_volume(disk)
    return Iso(
        disk,
        volume,
        Tree(disk, volume.primary),
        None if volume.joliet is None else Tree(disk, volume.joliet),
        None if volume.catalog is None else read_catalog(disk, volume.catalog),
        read_system_area(disk, volume.primary.placement.blocks * BLOCK),
        parse_sum(volume.primary.raw[APPLICATION_USE]),
    )


def _check_path_tables(tree: Tree) -> None:
    """Refuse path tables that differ, or name what is not a directory."""
    little = read_path_table(tree.disk, tree.descriptor)
    big = read_path_table(tree.disk, tree.descriptor, big=True)
    if little != big:
        raise FormatError("ISO 9660: the two path tables differ")


def _check_tree(tree: Tree) -> None:
    """Refuse content outside of the image, and directories that the path table does not have."""
    table = read_path_table(tree.disk, tree.descriptor)
    listed = dict(zip(table.extents, table.names, strict=True))
    for path, entry in iter_tree(tree):
        if entry.is_directory:
            _check_listed(path, entry, listed)
            continue
        for record in entry.records:
            if record.size and record.extent * BLOCK + record.size > tree.disk.size:
                raise FormatError(
                    f"ISO 9660: {path}: lies at block {record.extent}, behind the image's end"
                )


def _check_listed(path: str, entry: Entry, listed: dict[int, bytes]) -> None:
    """Refuse a directory that the path table has under another name or not at all."""
    record: Record = entry.records[0]
    name = listed.get(entry.extent)
    if name is None or (name != record.identifier and not entry.is_placeholder):
        raise FormatError(f"ISO 9660: {path}: the path table has {name!r} at block {entry.extent}")
