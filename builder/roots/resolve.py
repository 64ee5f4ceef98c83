"""Symbolic links followed inside a root only.

A Photon root is usr-merged: ``/lib`` is a link to ``usr/lib``, so a file for ``/lib/x``
belongs to ``/usr/lib/x``. A link that climbs above the root would reach the machine that
builds, if it were followed naively; here it is an error.
"""

from builder.errors import GuestError
from builder.formats.filesystem import Kind
from builder.guestpath import GuestPath, guest
from builder.roots import Root

_MOST_LINKS = 40
"""As Linux: path_resolution(7), ELOOP."""


def resolve(root: Root, path: GuestPath) -> GuestPath:
    """Return ``path`` with every link followed, the last component included.

    Components that do not exist are kept as they are.

    Raises:
        GuestError: a link climbs above the root, or links go round in a circle.
    """
    return _walk(root, path, follow_last=True)


def resolve_parent(root: Root, path: GuestPath) -> GuestPath:
    """Return ``path`` with the links on the way followed, but not its last component."""
    return _walk(root, path, follow_last=False)


def exists(root: Root, path: GuestPath) -> bool:
    """Tell whether ``path`` leads to something, links followed."""
    return root.lstat(resolve(root, path)) is not None


def read_text(root: Root, path: GuestPath, *, missing: str | None = None) -> str:
    """Return a text file's content, links followed; bytes that are not UTF-8 survive.

    Raises:
        GuestError: the file is absent and ``missing`` is ``None``.
    """
    real = resolve(root, path)
    node = root.lstat(real)
    if node is None:
        if missing is None:
            raise GuestError(f"the base has no file {path}")
        return missing
    return b"".join(root.chunks(real)).decode(errors="surrogateescape")


def _walk(root: Root, path: GuestPath, *, follow_last: bool) -> GuestPath:
    """Follow the links of ``path`` component by component."""
    todo = path.split("/")[::-1]
    here: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            _climb(here, path)
            continue
        here.append(part)
        node = root.lstat(guest("/" + "/".join(here)))
        if node is None or node.kind is not Kind.SYMLINK or not (todo or follow_last):
            continue
        links += 1
        if "\0" in node.target:
            raise GuestError(f"{path}: the symbolic link /{'/'.join(here)} holds a NUL byte")
        if links > _MOST_LINKS:
            raise GuestError(f"{path}: its symbolic links go round in a circle")
        here = [] if node.target.startswith("/") else here[:-1]
        todo += node.target.split("/")[::-1]
    return guest("/" + "/".join(here))


def _climb(here: list[str], path: GuestPath) -> None:
    """Go one directory up, but never above the root."""
    if not here:
        raise GuestError(
            f"{path}: a symbolic link on the way climbs above the root of the image",
            hint="write to the place it is meant to lead to",
        )
    here.pop()
