"""What is wrong with a lock file: all of it, each with its line, and what to do."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from builder.digests import ALGORITHMS, check_digests
from builder.documents import parse_document
from builder.documents.secrets import without_secrets
from builder.errors import BuilderError, Diagnostic, KeyPath, Place, SpecError
from builder.image_names import parse_image_name, parse_variant
from builder.package_files import parse_package_file

_RESTORE = "restore it from version control, or remove it and run `photon-builder lock SPEC`"
_AGAIN = "remove the entry and run `photon-builder lock SPEC`, which records it anew"
_MARKS = "<<<<<<<", "=======", ">>>>>>>"


def find_problems(path: Path, content: bytes, schema: str) -> tuple[Diagnostic, ...]:
    """Return everything that is wrong with the content of a lock file.

    Args:
        path: The file.
        content: What is in it.
        schema: What its ``schema`` has to be.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return (_unread(path, "", Place(path, line, 1), f"byte {error.start} is not UTF-8"),)
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        lines = text.split("\n")
        place = Place(path, error.lineno, error.colno)
        return (_unread(path, lines[error.lineno - 1], place, error.msg),)
    except (RecursionError, ValueError):
        return (_unread(path, "", Place(path, 1, 1), "it is nested too deeply"),)
    try:
        document = parse_document(text, path)
    except SpecError as error:
        return error.problems
    faults = list(_iter_faults(record, schema)) or [
        Diagnostic("it cannot be read", "LCK002", _RESTORE)
    ]
    return tuple(map(document.locate, faults))


def _unread(path: Path, line: str, place: Place, reason: str) -> Diagnostic:
    """Return the problem of a file that is no JSON."""
    hint = "a merge left its marks: keep one side" if line.startswith(_MARKS) else _RESTORE
    message = f"{path.name} is not valid JSON: {reason}"
    return Diagnostic(message, "LCK001", hint, place=place, excerpt=without_secrets(line))


def _iter_faults(record: object, schema: str) -> Iterator[Diagnostic]:
    """Yield what is wrong with a lock file as plain data."""
    if not isinstance(record, dict):
        message = f"found {_kind(record)}; wanted a mapping with schema, files and images"
        yield Diagnostic(message, "LCK002", _RESTORE)
        return
    found = record.get("schema")
    if found != schema:
        message = f"found the schema {found!r}; wanted {schema!r}"
        yield Diagnostic(message, "LCK003", _RESTORE, ("schema",))
    for key, find in _SECTIONS.items():
        section = record.get(key, None if key == "files" else {})
        if not isinstance(section, dict):
            message = f"`{key}`: found {_kind(section)}; wanted a mapping"
            yield Diagnostic(message, "LCK002", _RESTORE, (key,))
            continue
        for name, value in section.items():
            yield from find(name, value)


def _file_faults(name: str, value: object) -> Iterator[Diagnostic]:
    """Yield what is wrong with the digests of a base."""
    if not isinstance(value, dict):
        message = f"found {_kind(value)}; wanted its digests: sha256 and 64 hex digits"
        yield Diagnostic(message, "LCK004", _AGAIN, ("files", name))
        return
    for algorithm, digest in value.items():
        path: KeyPath = ("files", name, algorithm)
        if algorithm not in ALGORITHMS:
            message = f"{algorithm!r} is not a known digest; wanted one of {', '.join(ALGORITHMS)}"
            yield Diagnostic(message, "LCK004", _AGAIN, path)
        elif not isinstance(digest, str):
            message = f"{algorithm}: found {_kind(digest)}; wanted {ALGORITHMS[algorithm]} digits"
            yield Diagnostic(message, "LCK004", _AGAIN, path)
        else:
            try:
                check_digests({algorithm: digest})
            except BuilderError as error:
                yield Diagnostic(str(error), "LCK004", _AGAIN, path)


def _image_faults(name: str, value: object) -> Iterator[Diagnostic]:
    """Yield what is wrong with what an image's tag meant."""
    path: KeyPath = ("images", name)
    try:
        parse_image_name(name)
    except ValueError as error:
        yield Diagnostic(str(error), "LCK005", _AGAIN, path)
        return
    platforms = value.get("platforms") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(platforms, dict):
        message = "wanted a mapping with `digest` and `platforms`"
        yield Diagnostic(message, "LCK005", _AGAIN, path)
        return
    digests: dict[KeyPath, object] = {(*path, "digest"): value.get("digest")}
    digests |= {(*path, "platforms", key): digest for key, digest in platforms.items()}
    for at, digest in digests.items():
        try:
            parse_image_name(f"{name.partition('@')[0]}@{digest}")
        except ValueError:
            message = f"found {digest!r}; wanted sha256: and 64 hex digits"
            yield Diagnostic(message, "LCK005", _AGAIN, at)
    yield from _blob_faults(value.get("blobs", {}), (*path, "blobs"))


def _blob_faults(value: object, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield what is wrong with the blobs of an image."""
    if not isinstance(value, dict):
        yield Diagnostic(
            f"found {_kind(value)}; wanted a mapping by platform", "LCK005", _AGAIN, path
        )
        return
    for platform, blobs in value.items():
        try:
            parse_variant(blobs)
        except KeyError as error:
            message = f"has no {error.args[0]!r}; wanted manifest, config, layers and unpacked"
            yield Diagnostic(message, "LCK005", _AGAIN, (*path, platform))
        except (ValueError, TypeError, AttributeError) as error:
            yield Diagnostic(str(error), "LCK005", _AGAIN, (*path, platform))


def _package_faults(name: str, value: object) -> Iterator[Diagnostic]:
    """Yield what is wrong with the files that packages became."""
    path: KeyPath = ("packages", name)
    if not isinstance(value, list):
        yield Diagnostic(
            f"found {_kind(value)}; wanted a list of RPM files", "LCK006", _AGAIN, path
        )
        return
    for index, row in enumerate(value):
        try:
            parse_package_file(row)
        except (ValueError, LookupError, TypeError, BuilderError) as error:
            message = f"wanted name, url, sha256 and size of an RPM file: {error}"
            yield Diagnostic(message, "LCK006", _AGAIN, (*path, index))


_SECTIONS: Mapping[str, Callable[[str, object], Iterator[Diagnostic]]] = {
    "files": _file_faults,
    "images": _image_faults,
    "packages": _package_faults,
}


def _kind(value: object) -> str:
    kinds: Mapping[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "a truth"}
    if value is None:
        return "nothing"
    return kinds.get(type(value), "a number")
