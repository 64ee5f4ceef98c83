"""Texts of ``output`` that lie in files: read when the spec is, so that all else sees the text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.errors import Diagnostic

_LARGEST = 1 << 20


def with_texts(output: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return ``output`` with each ``{file: path}`` replaced by the file's text.

    Those that :func:`iter_faults` speaks of stay as they are.
    """
    found = {key: _read(value, folder) for key, value in output.items()}
    return {key: text if isinstance(text, str) else output[key] for key, text in found.items()}


def iter_faults(output: Mapping[str, Any], folder: Path) -> Iterator[Diagnostic]:
    """Yield the files that cannot be read, with their paths in the spec."""
    for key, value in output.items():
        text = _read(value, folder)
        if isinstance(text, Diagnostic):
            path = ("output", key, "file")
            yield Diagnostic(text.message, text.code, text.hint, path)


def _read(value: object, folder: Path) -> str | Diagnostic | None:
    """Return the text that ``{file: path}`` means, or why there is none; ``None`` for another."""
    name = value.get("file") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(name, str):
        return None
    path = folder / Path(name).expanduser()
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        text = content.decode()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "it is not UTF-8 text"
        hint = "check the path: a relative one starts at the spec's folder"
        return Diagnostic(f"{path}: {reason}", "OUT007", hint)
    if not text.strip() or len(content) > _LARGEST:
        return Diagnostic(
            f"{path}: found {len(content)} bytes; wanted a text of up to 1 MiB", "OUT007"
        )
    return text.replace("\r\n", "\n")
