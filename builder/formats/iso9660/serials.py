"""Serial numbers: which records are one file, in volumes of which each record says it.

Source: Rock Ridge Interchange Protocol (IEEE P1282, RRIP 1.12), 4.1.1: a PX entry of 44 bytes ends
with the serial number of a file, as st_ino of POSIX. libarchive makes a link of a file that has
the number of another, so that each new file has a number that nothing else in the tree has.

Earlier versions gave all that they added the number zero; such numbers are mended, those of the
image that was added to are not.
"""

import itertools
from collections.abc import Iterator

from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.editor import TreeEditor
from builder.formats.iso9660.path_table import PathTable
from builder.formats.iso9660.rock_ridge import LONG_PX
from builder.formats.iso9660.system_use import Protocol, find_entry, iter_entries
from builder.formats.iso9660.tree import Directory, Tree
from builder.formats.iso9660.volume import pack_both32

_SERIAL_AT = 36


def number_records(editor: TreeEditor, first: int) -> None:
    """Number the new records of a tree, if its records have numbers.

    The numbers are the lowest free ones, by path: what is made again gets the same.

    Args:
        editor: The tree, edited.
        first: Block from which on earlier additions lie.
    """
    protocol = editor.tree.protocol
    if protocol is None or protocol.px_size < LONG_PX or not editor.made:
        return
    _forget_zeros(editor, protocol, first)
    used: set[int] = set()
    waiting: list[tuple[int, Directory]] = []
    for index, directory in editor.surviving():
        old = [record for record in directory.records if record not in editor.made]
        used.update(filter(None, (_serial(editor.tree, protocol, one) for one in old)))
        if len(old) < len(directory.records):
            waiting.append((index, directory))
    free = (number for number in itertools.count(1) if number not in used)
    waiting.sort(key=lambda one: _path(editor.table, one[0]))
    for index, _ in waiting:
        _number_names(editor, protocol, index, free)
    for index, directory in waiting:
        if directory.records[1] in editor.made:
            parent = editor.directory(editor.table.parents[index]).records[0]
            _stamp(directory.records[1], protocol, _serial(editor.tree, protocol, parent))


def _forget_zeros(editor: TreeEditor, protocol: Protocol, first: int) -> None:
    """Take the records without a number that an earlier version added for new ones."""
    for index, directory in editor.surviving():
        zeros = [
            record
            for record in directory.records
            if record not in editor.made
            and record.extent >= first
            and not _serial(editor.tree, protocol, record)
        ]
        if directory.records[0] in zeros:
            zeros.append(directory.records[1])
        if zeros:
            editor.renew(index, directory, zeros)


def _number_names(editor: TreeEditor, protocol: Protocol, index: int, free: Iterator[int]) -> None:
    """Number what a directory names; the pieces of a file are one file."""
    number, goes_on = 0, False
    for record in editor.directory(index).records[2:]:
        if record not in editor.made:
            continue
        if not goes_on:
            number = next(free)
        goes_on = record.is_continued
        _stamp(record, protocol, number)
        if record.is_directory:
            own = editor.directory(editor.child(index, record)).records[0]
            _stamp(own, protocol, number)


def _serial(tree: Tree, protocol: Protocol, record: Record) -> int:
    """Return the serial number of a record as libarchive reads it; zero when it has none."""
    for entry in iter_entries(record, protocol.skip, tree.read_area):
        if entry[:2] == b"PX" and len(entry) >= LONG_PX:
            return int.from_bytes(entry[_SERIAL_AT : _SERIAL_AT + 4], "little")
    return 0


def _stamp(record: Record, protocol: Protocol, number: int) -> None:
    """Give a new record a serial number; its PX entry is never elsewhere."""
    at = find_entry(record, protocol.skip, b"PX")
    if at is not None:
        record.raw[at + _SERIAL_AT : at + LONG_PX] = pack_both32(number)


def _path(table: PathTable, index: int) -> list[bytes]:
    """Return the names that lead to a directory."""
    names: list[bytes] = []
    while index:
        names.append(table.names[index])
        index = table.parents[index]
    return names[::-1]
