"""Cross-checks an ISO 9660 image with pycdlib, an independent reader.

Source: https://clalancette.github.io/pycdlib/. Names, sizes and places of everything in each tree
are compared, and what firmware boots. What both readers were told by the same wrong bytes, they
agree upon: see ``image`` for the checks of each structure.

Does not read content, and nothing else needs it: an image is made without.
"""

import io
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, cast

from pycdlib import PyCdlib
from pycdlib.headervd import PrimaryOrSupplementaryVD

from builder.errors import FormatError
from builder.formats.iso9660.el_torito import EFI
from builder.formats.iso9660.image import Iso
from builder.formats.iso9660.tree import Entry, Tree
from builder.formats.reading import read_fully
from builder.structs import Struct

_READER = "pycdlib, a second reader,"
_BOOTABLE = 0x88
_MOST_SHOWN = 3
_JOLIET = "utf-16-be"
_PLATFORMS = {0: "BIOS", EFI: "EFI"}


class _Seen(Struct, frozen=True):
    """What a reader says of a path.

    Attributes:
        is_directory: Whether it is a directory.
        pieces: Block and bytes of each piece that is not empty.
    """

    is_directory: bool
    pieces: tuple[tuple[int, int], ...]

    @property
    def shown(self) -> str:
        """For messages."""
        places = [f"{size} bytes at block {extent}" for extent, size in self.pieces]
        kind = "a directory" if self.is_directory else "a file"
        return f"{kind}, {' and '.join(places) or 'empty'}"


class _View(Struct, frozen=True):
    """What a reader sees.

    Attributes:
        primary: By path, what every reader knows.
        joliet: By path, what Windows knows.
        boots: What firmware boots.
    """

    primary: Mapping[str, _Seen]
    joliet: Mapping[str, _Seen]
    boots: Sequence[str]


class _Known(io.FileIO):
    """A file in which the entries of zisofs, which pycdlib refuses, look like padding."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes; directories are read in whole blocks, and no content is."""
        if size is None or size < 0:
            data = self.readall()
        else:
            data = read_fully(self.fileno(), size, self.tell())
            self.seek(len(data), io.SEEK_CUR)
        return data.replace(b"ZF\x10\x01pz", b"PD\x10\x01pz")


def check_image(iso: Iso) -> None:
    """Check all structures of an image, and that a second reader sees in it what is seen here.

    Raises:
        FormatError: a structure is damaged, or the readers disagree.
    """
    iso.check(full=True)
    compare_readers(iso)


def compare_readers(iso: Iso) -> None:
    """Refuse an image that a second reader does not see as it is seen here.

    Raises:
        FormatError: the readers disagree; the message lists the first differences.
    """
    here = _View(
        _tree_here(iso.primary), {} if iso.joliet is None else _tree_here(iso.joliet), _boots(iso)
    )
    hint = (
        f"compare with a third reader: xorriso -indev {shlex.quote(str(iso.path))} -check_media --"
    )
    with _Known(iso.path) as stream:
        try:
            there = _view_there(cast("BinaryIO", stream))
        except OSError:
            raise
        except Exception as error:  # whatever another's program raises, it did not read the image
            raise FormatError(
                f"ISO 9660: {_READER} cannot read it: {str(error) or type(error).__name__}",
                hint=hint,
            ) from error
    found = list(_iter_differences(here, there))
    if found:
        more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
        shown = "; ".join(found[:_MOST_SHOWN])
        raise FormatError(f"ISO 9660: {_READER} reads it differently: {shown}{more}", hint=hint)


def _iter_differences(here: _View, there: _View) -> Iterator[str]:
    """Yield what two readers disagree about."""
    yield from _tree_differences(here.primary, there.primary)
    for difference in _tree_differences(here.joliet, there.joliet):
        yield f"Joliet: {difference}"
    if here.boots != there.boots:
        shown = ["; ".join(entries) or "nothing" for entries in (here.boots, there.boots)]
        yield f"El Torito: {shown[0]} here, {shown[1]} there"


def _tree_differences(here: Mapping[str, _Seen], there: Mapping[str, _Seen]) -> Iterator[str]:
    """Yield how each path differs that is not the same in two trees."""
    for path in sorted(here.keys() | there.keys()):
        pair = here.get(path), there.get(path)
        if pair[0] != pair[1]:
            shown = ["nothing" if seen is None else seen.shown for seen in pair]
            yield f"{path} is {shown[0]} here, {shown[1]} there"


def _tree_here(tree: Tree) -> dict[str, _Seen]:
    """Return what this program reads of a tree, by path."""
    found: dict[str, _Seen] = {}
    encoding = _JOLIET if tree.descriptor.is_joliet else "utf-8"
    waiting = [("", tree.root)]
    while waiting:
        above, extent = waiting.pop()
        for entry in tree.entries(extent):
            told = b"" if entry.attributes is None else entry.attributes.name
            path = f"{above}/{_name(told, entry.records[0].identifier, encoding)}"
            found[path] = _seen(_place_of(entry), is_directory=entry.is_directory)
            if entry.is_directory:
                waiting.append((path, entry.extent))
    return found


def _place_of(entry: Entry) -> list[tuple[int, int]]:
    """Return block and bytes of each piece."""
    if entry.is_placeholder:
        return [(entry.extent, 0)]
    return [(record.extent, record.size) for record in entry.records]


def _view_there(stream: BinaryIO) -> _View:
    """Return what the second reader sees."""
    other = PyCdlib()
    other.open_fp(stream)
    return _View(
        _tree_there(other.pvd),
        {} if other.joliet_vd is None else _tree_there(other.joliet_vd),
        _boots_there(other),
    )


def _tree_there(descriptor: PrimaryOrSupplementaryVD) -> dict[str, _Seen]:
    """Return what the second reader reads of a tree, by path."""
    pieces: dict[str, list[tuple[int, int]]] = {}
    directories: set[str] = set()
    encoding = "utf-8" if descriptor.is_pvd() else _JOLIET
    waiting = [("", descriptor.root_directory_record())]
    while waiting:
        above, directory = waiting.pop()
        for record in directory.children:
            rock_ridge = record.rock_ridge
            moved = rock_ridge is not None and rock_ridge.relocated_record()
            if record.is_dot() or record.is_dotdot() or record.is_associated_file() or moved:
                continue
            told = b"" if rock_ridge is None else rock_ridge.name()
            path = f"{above}/{_name(told, record.file_ident, encoding)}"
            pieces.setdefault(path, []).append((record.extent_location(), record.get_data_length()))
            target = record if rock_ridge is None else rock_ridge.cl_to_moved_dr or record
            if target.is_dir():
                directories.add(path)
                waiting.append((path, target))
    return {path: _seen(found, path in directories) for path, found in pieces.items()}


def _name(told: bytes, identifier: bytes, encoding: str) -> str:
    """Return the name that Rock Ridge tells, else the recorded one."""
    return told.decode(errors="surrogateescape") if told else identifier.decode(encoding, "replace")


def _seen(pieces: Sequence[tuple[int, int]], is_directory: bool) -> _Seen:
    """Return what was seen; what is empty may have any place."""
    return _Seen(is_directory, tuple((extent, size) for extent, size in pieces if size))


def _boots(iso: Iso) -> list[str]:
    """Return what this program reads of the boot catalog."""
    if iso.boot is None:
        return []
    return [
        _boot(one.platform, one.bootable, one.emulation, (one.load_sectors, one.extent))
        for one in iso.boot.entries
    ]


def _boots_there(other: PyCdlib) -> list[str]:
    """Return what the second reader reads of the boot catalog."""
    catalog = other.eltorito_boot_catalog
    if catalog is None:
        return []
    platform = catalog.validation_entry.platform_id
    entries = [(platform, catalog.initial_entry)]
    for section in catalog.sections:
        entries += [(section.platform_id, entry) for entry in section.section_entries]
    entries += [(platform, entry) for entry in catalog.standalone_entries]
    return [
        _boot(
            platform,
            entry.boot_indicator == _BOOTABLE,
            entry.boot_media_type & 0x0F,
            (entry.sector_count, entry.get_rba()),
        )
        for platform, entry in entries
    ]


def _boot(platform: int, bootable: bool, emulation: int, place: tuple[int, int]) -> str:
    """Describe an entry of a boot catalog."""
    firmware = _PLATFORMS.get(platform, f"platform {platform:#04x}")
    flaws = "" if bootable else ", not bootable"
    flaws += f", emulation {emulation}" if emulation else ""
    return f"{firmware} boots {place[0]} sectors at block {place[1]}{flaws}"
