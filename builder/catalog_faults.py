"""What is wrong with the data of the catalog: all of it, each with its line."""

from collections.abc import Iterator, Mapping

from builder.digests import ALGORITHMS, check_digests
from builder.documents import Document
from builder.errors import BuilderError, Diagnostic, KeyPath

_HINT = "install photon-builder anew: the file is a part of it"
_WANTED: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("arch", "target"), str),
    **dict.fromkeys(("filename", "path", "notes", "disputed", "withdrawn"), str),
    **dict.fromkeys(("size", "hw_version"), int),
    "urls": list,
}
_NEEDED = ("arch", "target")


def find_problems(document: Document, error: Exception) -> tuple[Diagnostic, ...]:
    """Return everything that is wrong with the data of the catalog.

    Args:
        document: The data.
        error: What reading them stumbled over; named when everything else is right.
    """
    found = tuple(map(document.locate, _iter_faults(document.value)))
    return found or (Diagnostic(f"{document.path}: {error}", "CAT001", _HINT),)


def _iter_faults(value: object) -> Iterator[Diagnostic]:
    """Yield what is wrong with the whole of it."""
    stages = value.get("stages") if isinstance(value, dict) else None
    if not isinstance(stages, list):
        yield _fault("`stages` is missing; wanted a list of stages", ())
        return
    for number, stage in enumerate(stages):
        at: KeyPath = ("stages", number)
        rows = stage.get("artifacts") if isinstance(stage, dict) else None
        if not isinstance(stage, dict) or not isinstance(rows, list):
            yield _fault("wanted release, revision and artifacts", at)
            continue
        for key in ("release", "revision"):
            if key not in stage:
                yield _fault(f"`{key}` is missing", at)
        for index, row in enumerate(rows):
            yield from _faults_of_row(row, (*at, "artifacts", index))


def _faults_of_row(row: object, at: KeyPath) -> Iterator[Diagnostic]:
    """Yield what is wrong with one file."""
    if not isinstance(row, dict):
        yield _fault("wanted a mapping with arch and target", at)
        return
    yield from (_fault(f"`{key}` is missing", at) for key in _NEEDED if key not in row)
    for key, kind in _WANTED.items():
        if key in row and not isinstance(row[key], kind):
            yield _fault(f"`{key}` is not of the right kind", (*at, key))
    for name in ALGORITHMS.keys() & row.keys():
        try:
            check_digests({name: str(row[name])})
        except BuilderError as error:
            yield _fault(str(error), (*at, name))


def _fault(message: str, path: KeyPath) -> Diagnostic:
    return Diagnostic(message, "CAT001", _HINT, path)
