"""Plans changes of an ISO 9660 image: old content stays in place, new content is appended.

Sources: those of the modules of this package. Only the descriptors, directories within their
blocks, path tables, the boot catalog and partition tables are rewritten in place. Additions of
an earlier change are reused: an image that is changed again and again does not pile them up.

Does not move or remove old content; what is removed is only no longer named.
"""

import posixpath
import stat
from collections.abc import Iterable, Sequence

from builder.errors import GuestError, NoSpaceError
from builder.formats.disk import MIB
from builder.formats.filesystem import Content
from builder.formats.iso9660.block_allocator import BlockAllocator
from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.editor import TreeEditor
from builder.formats.iso9660.edits import AddDirectory, AddFile, AddSymlink, Edit, Remove
from builder.formats.iso9660.el_torito import BootEntry, move_image, patch_image
from builder.formats.iso9660.follow import carry_entries
from builder.formats.iso9660.image import Iso
from builder.formats.iso9660.layout import IsoLayout, Patch
from builder.formats.iso9660.limits import (
    check_kind,
    check_moment,
    check_path,
    check_volume_id,
)
from builder.formats.iso9660.marker import read_marker, write_marker
from builder.formats.iso9660.paths import make_directory, open_parent, remove
from builder.formats.iso9660.reachable import reachable_runs
from builder.formats.iso9660.rock_ridge import Attributes
from builder.formats.iso9660.serials import number_records
from builder.formats.iso9660.system_area import MovedImage, grow_tables
from builder.formats.iso9660.volume import (
    APPLICATION_USE,
    BLANK_USE,
    BLOCK,
    Descriptor,
    Placement,
    blocks_of,
    edit_descriptor,
    pack_both32,
    set_volume_id,
)
from builder.structs import Struct, field, replace

LARGEST_PIECE = 0xFFFF_F800
_LARGEST_BOOT_IMAGE = 32 * MIB
_PADDING_BLOCKS = 15
"""Zeros behind the last content, for drives that read ahead; isomd5sum skips as many."""
_ALIGNED_BLOCKS = 16


class _NewFile(Struct):
    """A file that has to be given a place.

    Attributes:
        content: Its bytes.
        records: Its records in each tree.
        boots: Entries of the boot catalog that load the file it replaces.
        old_size: Bytes of that file.
    """

    content: Content
    records: list[Sequence[Record]] = field(default_factory=list)
    boots: tuple[BootEntry, ...] = ()
    old_size: int = 0


def plan_append(
    iso: Iso, edits: Iterable[Edit], *, timestamp: int, volume_id: str | None = None
) -> IsoLayout:
    """Return the image that ``edits`` make of ``iso``; nothing is written yet.

    Args:
        iso: The image, which must stay open until the layout has been written.
        edits: In order.
        timestamp: Time of everything that is made, seconds since the epoch.
        volume_id: Another name for the volume, capital letters, digits and underscores.

    Raises:
        UnsupportedError: the image is of a kind that cannot be added to.
        GuestError: the tree does not allow an edit.
        FormatError: the image is damaged.
    """
    check_kind(iso)
    check_moment(timestamp)
    if volume_id is not None:
        check_volume_id(volume_id)
    plan = _Plan(iso, timestamp)
    for edit in edits:
        plan.apply(edit)
    return plan.finish(volume_id)


class _Plan:
    """An image while it is planned."""

    def __init__(self, iso: Iso, timestamp: int) -> None:
        self.iso = iso
        self.timestamp = timestamp
        trees = (iso.primary, iso.joliet)
        self.editors = [TreeEditor(tree) for tree in trees if tree is not None]
        self.files: dict[str, _NewFile] = {}
        self.patches: dict[int, Patch] = {}
        self.moved: list[MovedImage] = []
        self.catalog = bytearray() if iso.boot is None else bytearray(iso.boot.raw)

    def apply(self, edit: Edit) -> None:
        """Take in one edit."""
        path = check_path(edit.path)
        match edit:
            case Remove():
                self._remove(path)
            case AddFile():
                self._add_file(path, edit)
            case AddSymlink():
                self._add_symlink(path, edit)
            case AddDirectory():
                attributes = self._attributes(edit, stat.S_IFDIR | edit.mode)
                for editor in self.editors:
                    make_directory(editor, path, attributes)

    def finish(self, volume_id: str | None) -> IsoLayout:
        """Give everything a place and return the whole."""
        for editor in self.editors[1:]:
            # libarchive prefers the tree whose root comes first.
            editor.root_moved = any(index == 0 for index, _ in self.editors[0].growing())
        for editor in self.editors:
            for content, records in carry_entries(editor):
                self.files[f"block {records[0].extent}"] = _NewFile(content, [records])
        marker = read_marker(self.iso.volume.primary.raw, self.iso.volume.primary.placement)
        first = blocks_of(self.iso.size) if marker is None else marker.first
        for editor in self.editors:
            number_records(editor, first)
        reachable = (
            [] if marker is None else reachable_runs(self.editors, self.iso, first, self._new())
        )
        allocator = BlockAllocator(first, reachable)
        self._place_directories(allocator)
        after = self._place_overflows(allocator)
        for path, file in self.files.items():
            self._place_file(path, file, allocator, after)
        for editor in self.editors:
            self._patch(editor.patches())
        placements = [self._place_tables(editor, allocator) for editor in self.editors]
        size = self._end(allocator)
        self._write_catalog()
        self._write_descriptors(placements, size // BLOCK, first, volume_id)
        for start, end in allocator.free:
            self.patches[start * BLOCK] = Patch(start * BLOCK, (end - start) * BLOCK, None)
        kept = min(self.iso.size, allocator.end * BLOCK, size)
        return IsoLayout(
            size,
            self.iso.disk.fd,
            kept,
            sorted(self.patches.values(), key=lambda patch: patch.offset),
            self.iso.volume.primary.block * BLOCK,
            self.iso.media_sum,
        )

    def _new(self) -> set[Record]:
        """Return the records that have no place yet."""
        return {one for file in self.files.values() for group in file.records for one in group}

    def _add_file(self, path: str, edit: AddFile) -> None:
        """Plan a file in every tree."""
        attributes = self._attributes(edit, stat.S_IFREG | edit.mode)
        size = edit.content.size
        file = _NewFile(edit.content)
        before = self.files.pop(path, None)
        pieces = max(1, -(-size // LARGEST_PIECE))
        for editor in self.editors:
            parent = open_parent(editor, path, self.timestamp)
            records, old = editor.put(parent, posixpath.basename(path), attributes, pieces)
            file.records.append(records)
            if old and editor is self.editors[0] and before is None:
                file.boots, file.old_size = self._boots(path, old), _size(old)
        if before is not None:
            file.boots, file.old_size = before.boots, before.old_size
        self.files[path] = file

    def _add_symlink(self, path: str, edit: AddSymlink) -> None:
        """Plan a link; only Rock Ridge knows them."""
        if self.editors[0].tree.protocol is None:
            raise GuestError(f"ISO 9660: {path}: the image has no Rock Ridge, so no links")
        if not edit.target or "\0" in edit.target:
            raise GuestError(f"ISO 9660: {path}: a link to {edit.target!r}")
        attributes = self._attributes(edit, stat.S_IFLNK | 0o777)
        target = edit.target.encode("utf-8", "surrogateescape")
        attributes = replace(attributes, target=target)
        editor, *others = self.editors
        parent = open_parent(editor, path, self.timestamp)
        _, old = editor.put(parent, posixpath.basename(path), attributes, 1)
        self._refuse_boot(path, old)
        self.files.pop(path, None)
        for other in others:
            remove(other, path)

    def _remove(self, path: str) -> None:
        """Plan that a path is gone."""
        for editor in self.editors:
            gone = remove(editor, path)
            if editor is self.editors[0]:
                self._refuse_boot(path, gone)
        for name in [one for one in self.files if one == path or one.startswith(f"{path}/")]:
            if self.files.pop(name).boots:
                raise _in_use(name)

    def _attributes(self, edit: AddFile | AddDirectory | AddSymlink, mode: int) -> Attributes:
        """Return what a new record says."""
        mtime = self.timestamp if edit.mtime is None else edit.mtime
        check_moment(mtime)
        for number in (edit.uid, edit.gid):
            if not 0 <= number < 1 << 32:
                raise GuestError(f"ISO 9660: {edit.path}: owner {number} does not fit 32 bits")
        name = posixpath.basename(edit.path).encode("utf-8", "surrogateescape")
        links = 2 if stat.S_ISDIR(mode) else 1
        return Attributes(name, mode, edit.uid, edit.gid, links, mtime=mtime)

    def _boots(self, path: str, old: Sequence[Record]) -> tuple[BootEntry, ...]:
        """Return what boots from a file that is replaced."""
        boot, extents = self.iso.boot, _extents(old)
        if boot is None:
            return ()
        if boot.extent in extents:
            raise _in_use(path)
        return tuple(entry for entry in boot.entries if entry.extent in extents)

    def _refuse_boot(self, path: str, old: Sequence[Record]) -> None:
        """Refuse to lose what firmware boots."""
        if self._boots(path, old):
            raise _in_use(path)

    def _place_directories(self, allocator: BlockAllocator) -> None:
        """Give directories that outgrew their place another one."""
        for editor in self.editors:
            for index, size in editor.growing():
                after = editor.table.extents[editor.table.parents[index]] if index else 0
                editor.place(index, allocator.take(size, after), size)
            editor.settle()

    def _place_file(self, path: str, file: _NewFile, allocator: BlockAllocator, after: int) -> None:
        """Give a file its blocks."""
        size = file.content.size
        extent = allocator.take(size, after) if size else after + 1
        for group in file.records:
            for at, record in enumerate(group):
                start = at * LARGEST_PIECE
                record.place(extent + start // BLOCK, min(LARGEST_PIECE, size - start))
        source: Content | bytes = file.content
        if file.boots:
            source = self._boot_image(path, file, extent)
        if size:
            self._put(extent, source, blocks_of(size) * BLOCK)

    def _boot_image(self, path: str, file: _NewFile, extent: int) -> bytes:
        """Return a boot image with its tables, and correct the catalog."""
        size = file.content.size
        if not 0 < size <= _LARGEST_BOOT_IMAGE:
            raise GuestError(
                f"ISO 9660: {path}: firmware boots this file; {size} bytes are not 1 to"
                f" {_LARGEST_BOOT_IMAGE}"
            )
        with file.content.open() as stream:
            image = stream.read(size)
        for entry in file.boots:
            move_image(self.catalog, entry, extent, file.old_size, size)
            image = patch_image(image, entry, extent)
            self.moved.append(MovedImage(entry.extent, extent, size))
        return image

    def _place_overflows(self, allocator: BlockAllocator) -> int:
        """Give Rock Ridge entries without allocator in their records blocks; returns the last.

        libarchive wants them behind the directory and before the content of the file, also when
        there is none.
        """
        after = max(extent for editor in self.editors for extent in editor.changed_extents())
        overflows = [one for editor in self.editors for one in editor.overflows()]
        block, data = 0, b""
        for overflow in overflows:
            if not block or len(data) + len(overflow.rest) > BLOCK:
                block, data = allocator.take(BLOCK, after), b""
            overflow.place(block, len(data))
            if not overflow.record.is_directory:
                overflow.record.place(block + 1, 0)
            data += overflow.rest
            self._put(block, data, BLOCK)
        return block

    def _place_tables(self, editor: TreeEditor, allocator: BlockAllocator) -> Placement:
        """Write a tree's path tables where they were or, when they outgrew that, elsewhere."""
        placement = editor.tree.descriptor.placement
        placement = replace(placement, root=editor.table.extents[0], root_size=editor.root_size())
        tables = editor.tables()
        if tables is None:
            return placement
        size = len(tables[0])
        little, big = placement.little_table, placement.big_table
        if blocks_of(size) > blocks_of(placement.table_size):
            little, big = allocator.take(size), allocator.take(size)
        for block, table in zip((little, big), tables, strict=True):
            whole = max(blocks_of(size), blocks_of(placement.table_size)) * BLOCK
            if block not in (placement.little_table, placement.big_table):
                whole = blocks_of(size) * BLOCK
            self._put(block, table, whole)
        return replace(placement, table_size=size, little_table=little, big_table=big)

    def _end(self, allocator: BlockAllocator) -> int:
        """Return the size of the file, and correct its partition tables."""
        area = self.iso.area
        blocks = allocator.end + _PADDING_BLOCKS + blocks_of(area.reserved)
        blocks += -blocks % _ALIGNED_BLOCKS
        size = blocks * BLOCK
        size += -size % area.alignment
        if size // BLOCK >= 1 << 32:
            raise NoSpaceError(f"ISO 9660: {size} bytes are more than an image can have")
        self._patch(grow_tables(area, size, self.moved))
        return size

    def _write_catalog(self) -> None:
        """Write the boot catalog when an image moved."""
        if self.iso.boot is not None and self.moved:
            self._put(self.iso.boot.extent, bytes(self.catalog), BLOCK)

    def _write_descriptors(
        self, placements: Sequence[Placement], blocks: int, first: int, volume_id: str | None
    ) -> None:
        volume = self.iso.volume
        descriptors: list[tuple[Descriptor, Placement]] = [
            (editor.tree.descriptor, replace(placement, blocks=blocks))
            for editor, placement in zip(self.editors, placements, strict=True)
        ]
        if volume.enhanced is not None:
            descriptors.append((volume.enhanced, descriptors[0][1]))
        for descriptor, placement in descriptors:
            raw = edit_descriptor(descriptor.raw, placement, timestamp=self.timestamp)
            if volume_id is not None:
                set_volume_id(raw, volume_id, joliet=descriptor.is_joliet)
            if descriptor is volume.primary:
                if self.iso.media_sum is not None:
                    raw[APPLICATION_USE] = BLANK_USE
                write_marker(raw, placement, first)
            self._put(descriptor.block, bytes(raw), BLOCK)
            if volume.copies is not None:
                raw[0x50:0x58] = pack_both32(blocks - volume.copies)
                self._put(descriptor.block + volume.copies, bytes(raw), BLOCK)

    def _put(self, block: int, source: bytes | Content, length: int) -> None:
        """Plan what goes to a block."""
        self.patches[block * BLOCK] = Patch(block * BLOCK, length, source)

    def _patch(self, found: dict[int, bytes]) -> None:
        """Plan bytes by offset."""
        for offset, data in found.items():
            self.patches[offset] = Patch(offset, len(data), data)


def _extents(records: Iterable[Record]) -> set[int]:
    """Return the blocks of files that are not empty; empty ones have any block."""
    return {record.extent for record in records if record.size}


def _size(records: Iterable[Record]) -> int:
    """Return the bytes of a file."""
    return sum(record.size for record in records)


def _in_use(path: str) -> GuestError:
    """Say that firmware needs a file."""
    return GuestError(
        f"ISO 9660: {path}: the image boots from it; it cannot be removed, nor the boot catalog"
        " replaced"
    )
