"""Blocks of earlier additions to an ISO 9660 image that are still in use."""

from collections.abc import Iterable, Iterator, Set

from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.editor import TreeEditor
from builder.formats.iso9660.image import Iso
from builder.formats.iso9660.tree import Directory
from builder.formats.iso9660.volume import blocks_of


def reachable_runs(
    editors: Iterable[TreeEditor], iso: Iso, first: int, new: Set[Record]
) -> list[tuple[int, int]]:
    """Return runs of blocks from ``first`` on that must stay: first block and count.

    Args:
        editors: All trees, edited, nothing placed.
        iso: The image.
        first: First block of the additions.
        new: Records that have no place yet.
    """
    runs = [run for editor in editors for run in _tree_runs(editor, new)]
    if iso.boot is not None:
        runs.append((iso.boot.extent, blocks_of(len(iso.boot.raw))))
    return [(block, count) for block, count in runs if count and block + count > first]


def _tree_runs(editor: TreeEditor, new: Set[Record]) -> Iterator[tuple[int, int]]:
    placement = editor.tree.descriptor.placement
    for block in (placement.little_table, placement.big_table):
        yield block, blocks_of(placement.table_size)
    fresh = new | {overflow.record for overflow in editor.overflows()}
    leaving = dict(editor.growing())
    for index, directory in editor.surviving():
        if index not in leaving:
            yield editor.table.extents[index], blocks_of(directory.size)
        yield from _content_runs(editor, directory, fresh)


def _content_runs(
    editor: TreeEditor, directory: Directory, new: Set[Record]
) -> Iterator[tuple[int, int]]:
    """Yield the runs of a directory's files and of its continuation areas."""
    for record in directory.records:
        if record in new:
            continue
        if not record.is_directory:
            yield record.extent, blocks_of(record.size)
        for block in editor.tree.continuations(record):
            yield block, 1
