"""The overlays of a spec: folders with settings and files, and the section in the spec itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.documents import Document, load_document, parse_document
from builder.errors import Diagnostic, KeyPath
from builder.structs import Struct
from builder.suggest import nearest

FILE = "overlay.yaml"
FILES = "files"
_FOLDER = "overlays"
_OWN = Path(__file__).resolve().parents[2] / _FOLDER
"""Beside the program, where that runs from a checkout."""


class Overlay(Struct, frozen=True):
    """One overlay.

    Attributes:
        origin: The file that holds it, for people.
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
