"""Listings of an image as ``ls -l`` prints them, with user and group names of the image."""

import re
import stat
from datetime import UTC, datetime
from typing import Any

from builder.engine.text.accounts import GROUP, PASSWD
from builder.engine.tree import Tree, read_text, resolve
from builder.errors import BuilderError
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath
from builder.printable import printable
from builder.structs import Struct

_TYPES = {Kind.FILE: stat.S_IFREG, Kind.DIRECTORY: stat.S_IFDIR, Kind.SYMLINK: stat.S_IFLNK}
_NUMBER = re.compile(r"[0-9]{1,10}")
_LARGEST = 1 << 22
"""Largest passwd or group file that is read for a listing, in bytes."""


class Names(Struct, frozen=True):
    """Names of users and groups by id."""

    users: dict[int, str]
    groups: dict[int, str]


def names_of(root: Tree) -> Names:
    """Return the names of ids in the image's own passwd and group."""
    return Names(_names(_text(root, PASSWD)), _names(_text(root, GROUP)))


def row_of(path: GuestPath, node: Node, names: Names) -> dict[str, Any]:
    """Return a node as JSON values."""
    return {
        "path": path,
        "kind": str(node.kind),
        "mode": f"{node.mode:04o}",
        "permissions": _permissions(node),
        "uid": node.uid,
        "gid": node.gid,
        "owner": names.users.get(node.uid),
        "group": names.groups.get(node.gid),
        "size": node.size,
        "mtime": node.mtime,
        "target": node.target,
    }


def shown(rows: list[dict[str, Any]]) -> str:
    """Return rows as ``ls -l`` prints them; ids without a name are numbers."""
    owners = [str(row["uid"] if row["owner"] is None else row["owner"]) for row in rows]
    groups = [str(row["gid"] if row["group"] is None else row["group"]) for row in rows]
    wide = max(map(len, owners), default=0), max(map(len, groups), default=0)
    long = max((len(str(row["size"])) for row in rows), default=0)
    lines = []
    for row, owner, group in zip(rows, owners, groups, strict=True):
        when = datetime.fromtimestamp(row["mtime"], UTC).strftime("%Y-%m-%d %H:%M")
        arrow = f" -> {printable(row['target'])}" if row["target"] else ""
        lines.append(
            f"{row['permissions']} {printable(owner):<{wide[0]}} {printable(group):<{wide[1]}} "
            f"{row['size']:>{long}} {when} {printable(row['path'])}{arrow}\n"
        )
    return "".join(lines)


def _permissions(node: Node) -> str:
    """Return file type and mode as ``ls -l`` does; an unknown type is ``?``."""
    return stat.filemode(_TYPES.get(node.kind, 0) | node.mode)


def _text(root: Tree, path: GuestPath) -> str:
    """Return a small text file of an image; empty when it cannot be read as text."""
    try:
        node = root.lstat(resolve(root, path))
        if node is None or node.kind is not Kind.FILE or node.size > _LARGEST:
            return ""
        return read_text(root, path, missing="")
    except BuilderError:
        return ""


def _names(text: str) -> dict[int, str]:
    """Return id to name of a passwd(5) or group(5); the first name wins."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        name, _, number, *_ = (*line.split(":"), "", "", "")
        if name and _NUMBER.fullmatch(number):
            found.setdefault(int(number), name)
    return found
