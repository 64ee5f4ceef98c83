"""A folder of this machine as changes below a guest directory; no feature of its own."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from builder.blob import Blob
from builder.changes import ROOT, MakeDirectory, MakeSymlink, Owner, WriteFile
from builder.errors import Diagnostic
from builder.features import Requested
from builder.features.sources import RELATIVE
from builder.guest import modes
from builder.guestpath import GuestPath, guest, join
from builder.structs import Struct
from builder.suggest import near

HEAD_BYTES = 64 * 1024
_TOP = guest("/")
_MARKER = ".gitkeep"
"""git keeps no empty directories; this file stands for one and is not copied."""


class Attributes(Struct, frozen=True):
    """What an entry of the spec says of the files it writes; otherwise the path decides."""

    mode: int | None = None
    owner: Owner | None = None


def tree_changes(
    directory: Path, at: GuestPath = _TOP, attributes: Attributes | None = None
) -> Iterator[Requested]:
    """Yield a change for each file and link below ``directory``, and for its empty folders.

    Folders that hold something are left to be made on the way, as the base has them.
    """
    given = attributes or Attributes()
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(directory, error)
        return
    wanted = modes.directory_mode(at)
    if at != _TOP and (not entries or given.owner or wanted != modes.directory_mode(guest("/x"))):
        yield MakeDirectory(at, wanted, given.owner or ROOT)
    for entry in entries:
        if entry.name != _MARKER:
            yield from _entry_changes(Path(entry.path), join(at, entry.name), given)
        elif len(entries) == 1 and at != _TOP:
            yield MakeDirectory(at, wanted, given.owner or ROOT)


def _entry_changes(path: Path, at: GuestPath, given: Attributes) -> Iterator[Requested]:
    kind = path.lstat().st_mode
    if stat.S_ISLNK(kind):
        yield MakeSymlink(at, str(path.readlink()))
    elif stat.S_ISDIR(kind):
        yield from tree_changes(path, at, given)
    elif stat.S_ISREG(kind):
        yield file_change(path, at, given)
    else:
        yield Diagnostic(
            f"{path}: found a device, pipe or socket; wanted files", "FILE004", "move it"
        )


def file_change(path: Path, at: GuestPath, given: Attributes) -> WriteFile | Diagnostic:
    """Return the change that writes a file of this machine, or why it cannot be read."""
    try:
        blob = Blob.file(path)
    except OSError as error:
        return _unreadable(path, error)
    return content_change(blob, at, given)


def content_change(blob: Blob, at: GuestPath, given: Attributes) -> WriteFile | Diagnostic:
    """Return the change that writes ``blob``, with the mode that its path asks for."""
    with blob.open() as stream:
        head = stream.read(HEAD_BYTES)
    mode = modes.file_mode(at, head) if given.mode is None else given.mode
    if at in {"/etc/shadow", "/etc/gshadow", "/etc/passwd", "/etc/group"}:
        message = f"{at} belongs to the base and holds the accounts of its packages"
        return Diagnostic(message, "FILE005", "use `users`")
    if modes.is_unreadable_for_networkd(at, mode):
        message = f"{at} has mode {mode:04o}: networkd (uid 76) cannot read it"
        return Diagnostic(message, "NET030", 'drop mode, or write mode: "0644"')
    is_secret = modes.is_secret(at) or modes.holds_key(at, head)
    owner = given.owner or Owner(0, modes.file_group(at, head))
    return WriteFile(at, blob, mode, owner, secret=is_secret)


def _unreadable(path: Path, error: OSError) -> Diagnostic:
    """Say why a file or a folder of this machine cannot be had."""
    if isinstance(error, FileNotFoundError):
        message = f"there is no file or folder {path}"
        return Diagnostic(message, "FILE003", near(path) or RELATIVE)
    return Diagnostic(f"{path}: {error.strerror}", "FILE003", "check its permissions")
