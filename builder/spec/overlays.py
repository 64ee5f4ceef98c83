"""The overlays of a spec: folders with settings and files, and the section in the spec itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from builder.documents import Document, load_document, parse_document
from builder.errors import Diagnostic, KeyPath
from builder.structs import Struct, replace
from builder.suggest import nearest

_Plain: TypeAlias = Any
"""Plain data: what YAML can say."""

FILE = "overlay.yaml"
FILES = "files"
_FOLDER = "overlays"
_OWN = Path(__file__).resolve().parents[2] / _FOLDER
"""Beside the program, where that runs from a checkout."""


class Overlay(Struct, frozen=True):
    """One overlay.

    Attributes:
        origin: The file that holds it, for messages.
        directory: Where its relative paths start.
        values: Its keys and values.
        document: The file, for positions.
        prefix: Keys from the top of the file down to the values.
        files: A folder that is copied into the root as it is.
    """

    origin: str
    directory: Path
    values: Mapping[str, Any]
    document: Document
    prefix: KeyPath = ()
    files: Path | None = None


def overlay_folders(spec_path: Path) -> tuple[Path, ...]:
    """Return the folders that may hold named overlays, the preferred one first."""
    beside = spec_path.parent
    above = beside.parent if beside.name not in {"", ".."} else beside / ".."
    folders = (above / _FOLDER, beside / _FOLDER, Path(_FOLDER))
    return (*folders, *([_OWN] if _OWN.is_dir() else []))


def find_overlay(name: str, folders: tuple[Path, ...]) -> Path | Diagnostic:
    """Return the folder of a named overlay."""
    for folder in folders:
        found = folder / name
        if (found / FILE).is_file() or (found / FILES).is_dir():
            return found
    there = sorted({entry.parent.name for entry in _iter_known(folders)})
    looked = ", ".join(dict.fromkeys(str(folder / name) for folder in folders))
    meant = nearest(name, there)
    hint = f"did you mean {meant}?" if meant else f"there are: {', '.join(there) or 'none'}"
    return Diagnostic(f"there is no overlay {name!r}; looked for {looked}", "OVL001", hint)


def _iter_known(folders: tuple[Path, ...]) -> Iterator[Path]:
    """Yield what makes a folder an overlay, for every overlay there is."""
    for folder in folders:
        yield from folder.glob(f"*/{FILE}")
        yield from folder.glob(f"*/{FILES}")


def read_overlay(folder: Path) -> Overlay:
    """Return the overlay of a folder; its values are not checked.

    Raises:
        SpecError: its file is no YAML.
    """
    path = folder / FILE
    document = load_document(path) if path.exists() else parse_document("{}\n", path)
    values = document.value if isinstance(document.value, dict) else {}
    files = folder / FILES
    return Overlay(str(path), folder, values, document, (), files if files.is_dir() else None)


def drop_nulls(overlays: tuple[Overlay, ...]) -> tuple[Overlay, ...]:
    """Return overlays without what the last of them, the spec's own, drops of the others.

    A key with the value null drops what an earlier overlay has under the same keys. One that
    drops nothing stays, for the schema to refuse.
    """
    *named, own = overlays
    gone = {path for path in _nulls(own.values) if any(_has(each, path) for each in named)}
    return tuple(_without(each, gone) for each in overlays) if gone else overlays


def _nulls(values: Mapping[str, Any], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of each null in mappings."""
    for key, value in values.items():
        if value is None:
            yield (*path, key)
        elif isinstance(value, dict):
            yield from _nulls(value, (*path, key))


def _has(overlay: Overlay, path: KeyPath) -> bool:
    """Return whether an overlay has something under some keys."""
    value: Any = overlay.values
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return path == (FILES,) and overlay.files is not None
        value = value[key]
    return True


def _without(overlay: Overlay, gone: set[KeyPath]) -> Overlay:
    """Return an overlay without what lies under some keys, or below keys that are empty then."""
    paths = [path for path in gone if _has(overlay, path)]
    for path in paths:
        above = _value(overlay.values, path[:-1])
        if len(path) > 1 and all((*path[:-1], key) in paths for key in above):
            paths.append(path[:-1])
    document = overlay.document.without([(*overlay.prefix, *path) for path in paths])
    values = _value(document.value, overlay.prefix)
    files = None if (FILES,) in gone else overlay.files
    return replace(overlay, document=document, values=values, files=files)


def _value(values: _Plain, path: KeyPath) -> _Plain:
    """Return what lies under some keys."""
    for key in path:
        values = values[key]
    return values
