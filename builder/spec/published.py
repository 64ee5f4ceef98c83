"""Whether a ``base`` is available: what the catalog says of it, and whether its file is there."""

from collections.abc import Iterator, Mapping, Sequence

from builder.catalog import UnknownName, find_source
from builder.errors import Diagnostic, KeyPath, UnsupportedError
from builder.schema import Entry
from builder.spec.base import Base, CatalogBase, FileBase
from builder.spec.choice import choose, is_group
from builder.suggest import near

_KEYS = {"release": "release", "revision": "revision", "arch": "arch", "target": "release"}
"""What the catalog does not know to the key of ``base`` that asks for it."""


def iter_faults(
    base: Base, named: Sequence[tuple[KeyPath, str]], known: Mapping[str, Entry]
) -> Iterator[Diagnostic]:
    """Yield why there is nothing to start from, each fault with its path from the top of the spec.

    Args:
        base: What an artifact starts from.
        named: Path and name of each target of the spec.
        known: What can be built, by name.
    """
    match base:
        case CatalogBase():
            found = (fault for path, name in named for fault in _faults(base, path, name, known))
            yield from dict.fromkeys(found)
        case FileBase(path) if not path.exists():
            hint = near(path) or "check the path: a relative one starts at the spec's folder"
            yield Diagnostic(f"there is no file {path}", "BASE010", hint, ("base", "file"))
        case FileBase(path) if path.is_dir():
            message = f"{path} is a folder; wanted an image file"
            yield Diagnostic(message, "BASE010", "name the file in it", ("base", "file"))
        case _:
            pass


def _faults(
    base: CatalogBase, path: KeyPath, name: str, known: Mapping[str, Entry]
) -> Iterator[Diagnostic]:
    """Yield what the catalog says of one target; of a group, only that it has nothing."""
    entry = known.get(name)
    if entry is None:
        return
    names = choose([name], base, known).names
    if is_group(entry) and names:
        return
    try:
        find_source(base.release, (*names, name)[0], base.revision, base.arch)
    except UnknownName as error:
        at = path if error.what == "target" else ("base", _KEYS[error.what])
        yield Diagnostic(str(error), "BASE009", error.hint, at)
    except UnsupportedError as error:
        key = "revision" if base.revision else "release"
        yield Diagnostic(str(error), "BASE009", error.hint, ("base", key))
