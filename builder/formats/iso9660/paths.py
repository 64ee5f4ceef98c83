"""Paths in a tree of an ISO 9660 image that is being changed.

Does not follow links: a link on the way to a path is in the way.
"""

import posixpath
import stat
from collections.abc import Sequence

from builder.errors import GuestError
from builder.formats.iso9660.directory import Record
from builder.formats.iso9660.editor import TreeEditor
from builder.formats.iso9660.rock_ridge import Attributes

_PARENT_MODE = 0o755


def _descend(editor: TreeEditor, names: Sequence[str]) -> tuple[int, int]:
    """Return the deepest directory of a path that exists, and how many names lead to it."""
    index = 0
    for at, name in enumerate(names):
        record = editor.find(index, name)
        if record is None:
            return index, at
        if not record.is_directory:
            editor.refuse_placeholder(record)
            raise GuestError(f"ISO 9660: /{'/'.join(names[: at + 1])} is not a directory")
        index = editor.child(index, record)
    return index, len(names)


def open_parent(editor: TreeEditor, path: str, timestamp: int) -> int:
    """Return the directory that holds ``path``; makes those that are missing."""
    names = path.split("/")[1:-1]
    index, done = _descend(editor, names)
    for name in names[done:]:
        mode = stat.S_IFDIR | _PARENT_MODE
        raw = name.encode("utf-8", "surrogateescape")
        attributes = Attributes(raw, mode, links=2, mtime=timestamp)
        index = editor.make_directory(index, name, attributes)
    return index


def make_directory(editor: TreeEditor, path: str, attributes: Attributes) -> None:
    """Make a directory, or change the one that is there."""
    parent = open_parent(editor, path, attributes.mtime or 0)
    name = posixpath.basename(path)
    record = editor.find(parent, name)
    if record is None:
        editor.make_directory(parent, name, attributes)
        return
    if not record.is_directory:
        editor.refuse_placeholder(record)
        raise GuestError(f"ISO 9660: {path} is not a directory")
    editor.set_mode(editor.child(parent, record), attributes)


def remove(editor: TreeEditor, path: str) -> list[Record]:
    """Remove a path from a tree and return the records of the files that are gone."""
    names = path.split("/")[1:]
    index = 0
    for name in names[:-1]:
        record = editor.find(index, name)
        if record is None or not record.is_directory:
            return []
        index = editor.child(index, record)
    return list(editor.remove(index, names[-1]))
