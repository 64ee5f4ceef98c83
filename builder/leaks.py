"""Secrets in a finished artifact outside of their place: those of the spec, and private keys.

A secret that the spec gives by reference belongs into the files that are marked as secrets, and a
private key into a file that others cannot read. What the base brought is looked at, too, where
settings lie; programs and libraries are not.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from builder.changes import Change, EnsureLine, WriteFile
from builder.engine.tree import Tree, resolve
from builder.formats.filesystem import Kind
from builder.guestpath import GuestPath, guest, join
from builder.images import Image
from builder.job import Wanted
from builder.structs import Struct

_FOLDERS = (
    *("/etc", "/root", "/home", "/opt", "/srv", "/usr/local", "/usr/libexec/photon-builder"),
    *("/var/lib/photon-builder", "/var/lib/cloud", "/boot", "/photon-builder", "/isolinux"),
)
"""Where settings lie, in a system and on an installation medium."""

_PLACES = frozenset({"/photon-builder/bundle.pyz", "/etc/shadow", "/etc/shadow-"})
"""Files that hold secrets by their nature: the bundle of a medium, hashes of passwords."""

_LARGEST = 1 << 20
_SHORTEST = 8
"""Characters below which a secret stands in many texts by chance."""

_REFER = "give that text by reference, too: content: {env: NAME}"
_DROP = "say it without the secret: whoever has the file reads it"
_KEY = b"PRIVATE KEY-----"
_OTHERS = 0o004
_PASS = 0o001


class Leak(NamedTuple):
    """A secret outside of its place.

    Attributes:
        message: Where it stands.
        hint: What to do about it.
    """

    message: str
    hint: str


class _Search(Struct, frozen=True):
    """What is looked for in a tree, and where not.

    Attributes:
        tree: The tree.
        secrets: The spec's own.
        places: Files that may hold them.
    """

    tree: Tree
    secrets: tuple[bytes, ...]
    places: frozenset[str]


def find_leaks(image: Image, wanted: Wanted | None, *, full: bool) -> tuple[Leak, ...]:
    """Return where secrets stand outside of their place.

    Args:
        image: The artifact.
        wanted: What it should hold; ``None``: private keys alone are looked for.
        full: Look into all files where settings lie, not just at what the plan writes.
    """
    secrets = _secrets(wanted)
    changes = wanted.plan.changes if wanted else ()
    found = [leak for change in changes if (leak := _planned(change, secrets))]
    if image.envelope is not None and any(secret in image.envelope.data for secret in secrets):
        found.append(Leak("the envelope of the appliance holds a secret of the spec", _DROP))
    if full:
        tree = image.root()
        own = {c.path for c in changes if isinstance(c, WriteFile) and c.secret}
        search = _Search(tree, secrets, frozenset(resolve(tree, path) for path in own))
        folders = dict.fromkeys(resolve(tree, guest(folder)) for folder in _FOLDERS)
        paths = dict.fromkeys(path for folder in folders for path in _files(tree, folder))
        found += [leak for path in paths if (leak := _leak(search, path))]
    return tuple(dict.fromkeys(found))


def leaks_beside(wanted: Wanted, texts: Mapping[str, bytes]) -> list[Leak]:
    """Return which of the texts beside an artifact, by name, hold a secret of its spec."""
    secrets = _secrets(wanted)
    found = [name for name, text in texts.items() if any(secret in text for secret in secrets)]
    return [Leak(f"{name} holds a secret of the spec", _DROP) for name in found]


def _secrets(wanted: Wanted | None) -> tuple[bytes, ...]:
    """Return the secrets of a spec that are long enough to be looked for."""
    given = wanted.plan.secrets if wanted else ()
    return tuple(text.encode() for text in given if len(text) >= _SHORTEST)


def _planned(change: Change, secrets: tuple[bytes, ...]) -> Leak | None:
    """Return what is wrong with a change, whatever carries it."""
    match change:
        case WriteFile(path=path, content=content, secret=False) if content.size <= _LARGEST:
            with content.open() as stream:
                text = stream.read()
        case EnsureLine(path=path, line=line):
            text = line.encode(errors="surrogateescape")
        case _:
            return None
    return _plain(path) if any(secret in text for secret in secrets) else None


def _plain(path: GuestPath) -> Leak:
    """Return the leak of a file that is not marked as secret."""
    return Leak(f"{path} holds a secret of the spec, and is not marked as one", _REFER)


def _leak(search: _Search, path: GuestPath) -> Leak | None:
    """Return what is wrong with one file."""
    node = search.tree.lstat(path)
    if node is None or node.size > _LARGEST or path in _PLACES:
        return None
    content = b"".join(search.tree.chunks(path))
    if path not in search.places and any(secret in content for secret in search.secrets):
        return _plain(path)
    if _KEY in content and node.mode & _OTHERS and _is_open(search.tree, path):
        message = f"{path} holds a private key, and everybody can read it ({node.mode:04o})"
        return Leak(message, 'drop `mode`, or write mode: "0600"')
    return None


def _is_open(tree: Tree, path: GuestPath) -> bool:
    """Return whether everybody may pass through the folders above a file."""
    parts = path.strip("/").split("/")[:-1]
    above = [guest("/" + "/".join(parts[: number + 1])) for number in range(len(parts))]
    nodes = [tree.lstat(folder) for folder in above if tree.holds_modes(folder)]
    return all(node is None or node.mode & _PASS for node in nodes)


def _files(tree: Tree, folder: GuestPath) -> Iterator[GuestPath]:
    """Yield the files below a folder; links are not followed."""
    node = tree.lstat(folder)
    if node is None or node.kind is not Kind.DIRECTORY:
        return
    for name in tree.names(folder):
        path = join(folder, name)
        inner = tree.lstat(path)
        if inner is not None and inner.kind is Kind.DIRECTORY:
            yield from _files(tree, path)
        elif inner is not None and inner.kind is Kind.FILE:
            yield path
