"""What the user wrote: a spec and its overlays, read, checked and typed.

The format is the manual's: one YAML 1.2 file with a version, targets, a base, overlays and
output options. Whoever holds a :class:`Spec` has one that is valid as far as it can be known
without a base; everything wrong is said at once. Does not judge what the values mean for each
other, see ``builder.rules``, nor what they do, see ``builder.features``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.documents import Document, load_with_problems
from builder.errors import Diagnostic, SpecError, in_order
from builder.features import features_of
from builder.image_names import Pin
from builder.lock import Lock
from builder.schema import Entry, find_misfits, overlay_schema, schema_for
from builder.schema.words import FILE_NAME
from builder.spec import base as bases
from builder.spec import published, texts
from builder.spec import targets as kinds
from builder.spec.base import Base, CatalogBase, FileBase, SampleBase, UrlBase
from builder.spec.choice import Choice, Omission, choose
from builder.spec.drafts import Sketch, Wrong, bases_for, draft
from builder.spec.foreign import find_foreign
from builder.spec.overlays import Overlay, drop_nulls, find_overlay, overlay_folders, read_overlay
from builder.structs import Struct, field, replace

__all__ = [
    "Base",
    "CatalogBase",
    "Choice",
    "FileBase",
    "InvalidSpecError",
    "Omission",
    "Overlay",
    "SampleBase",
    "Spec",
    "UrlBase",
    "choose",
    "load_spec",
]

_INLINE = "overlay"
_MOST_PROBLEMS = 500
"""Diagnostics of one kind that are located: nobody reads a thousand."""


class Spec(Struct, frozen=True):
    """A valid spec.

    Attributes:
        path: The file.
        name: Names the artifacts.
        targets: What to build, in the user's order: targets and groups.
        base: What to start from.
        overlays: Named overlays in order, then the inline one.
        output: Options of the targets.
        sections: Sections that only some targets take, by name.
        document: The file, for positions.
        pins: What the lock file has of container images, by their full names.
        choice: What the targets mean for the base: groups expanded, and what they leave out.
        lacks: Why there is nothing to start from, each with its path in the file.
        allow: Codes of warnings that are meant.
    """

    path: Path
    name: str
    targets: tuple[str, ...]
    base: Base
    overlays: tuple[Overlay, ...]
    output: Mapping[str, Any]
    sections: Mapping[str, Any]
    document: Document
    pins: Mapping[str, Pin] = field(default_factory=dict)
    choice: Choice = field(default_factory=lambda: Choice(()))
    lacks: tuple[Diagnostic, ...] = ()
    allow: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """The keys that any overlay has."""
        return frozenset(key for overlay in self.overlays for key in overlay.values)

    def reports(self, found: Diagnostic) -> bool:
        """Return whether a diagnostic counts: not a warning that the spec allows."""
        return found.is_error or found.code not in self.allow


class InvalidSpecError(SpecError):
    """A spec that is not valid; ``drafts`` are what can still be judged of it."""

    def __init__(self, problems: tuple[Diagnostic, ...], drafts: tuple[Spec, ...] = ()) -> None:
        super().__init__(problems)
        self.drafts = drafts


class _Reading(Struct):
    """A spec that is being read, with what was found wrong so far."""

    document: Document
    problems: list[Diagnostic] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    lacks_overlay: bool = False

    @property
    def values(self) -> Mapping[str, Any]:
        """The top of the file; nothing when that is not a mapping."""
        value = self.document.value
        return value if isinstance(value, dict) else {}

    def blame_letters(self, overlays: Iterable[Overlay]) -> None:
        """Name the letters that may be the cause of what is wrong."""
        documents = {id(d): d for d in (self.document, *(each.document for each in overlays))}
        for document in documents.values():
            self.problems += map(document.locate, document.odd_letters())

    def blame(self, found: Iterable[Diagnostic], document: Document | None = None) -> None:
        """Take note of what is wrong with a file, the spec's own unless given."""
        where = document or self.document
        for number, each in enumerate(found):
            self.wrong.append(Wrong(where, each.path))
            if number < _MOST_PROBLEMS:
                self.problems.append(where.locate(each))

    def check(self, document: Document, schema: Mapping[str, Any]) -> None:
        """Take note of what does not fit a schema."""
        self.blame(find_misfits(document.value, schema), document)


def load_spec(
    path: Path,
    *,
    targets: Mapping[str, Entry],
    locked: Lock | None = None,
    base: Base | None = None,
) -> Spec:
    """Read a spec with its overlays.

    Args:
        path: The file.
        targets: What can be built, by name.
        locked: What the lock file beside it has.
        base: What to start from instead of the file's base.

    Raises:
        InvalidSpecError: with what is wrong by itself, in the order of the places, and drafts in
            which the rest can be judged.
    """
    read_document, twice = load_with_problems(path)
    reading = _Reading(read_document, list(twice))
    if found := find_foreign(read_document.value):
        raise InvalidSpecError((read_document.locate(found),))
    overlays = _read_overlays(reading)
    document, values, lock = reading.document, reading.values, locked or Lock()
    reading.check(document, schema_for(document.value, targets))
    reading.blame(_iter_faults(reading, targets, lock.files))
    start = _start(reading, lock, base)
    lacks = tuple(published.iter_faults(start, kinds.named(values), targets)) if start else ()
    if reading.problems or start is None:
        reading.blame(lacks)
        raise _invalid(reading, overlays, start, targets)
    name = values.get("name", path.stem)
    output = texts.with_texts(values.get("output") or {}, path.parent)
    sections = kinds.sections(values, targets)
    chosen = kinds.chosen(values)
    read = Spec(path, name, chosen, start, overlays, output, sections, document, lock.images)
    read = replace(read, allow=frozenset(values.get("allow", ())))
    return replace(read, choice=choose(chosen, start, targets), lacks=lacks)


def _invalid(
    reading: _Reading,
    overlays: tuple[Overlay, ...],
    start: Base | None,
    targets: Mapping[str, Entry],
) -> InvalidSpecError:
    """Return the error that has all that is wrong by itself."""
    drafts = _drafts(reading, overlays, start, targets)
    reading.blame_letters(overlays)
    return InvalidSpecError(in_order(reading.problems), drafts)


def _drafts(
    reading: _Reading,
    overlays: tuple[Overlay, ...],
    start: Base | None,
    targets: Mapping[str, Entry],
) -> tuple[Spec, ...]:
    """Return the two drafts of a spec that is not valid; none when much of it is not there."""
    path = reading.document.path
    if reading.lacks_overlay or not isinstance(reading.document.value, dict):
        return ()
    whole, as_written = reading.document, overlays
    if any(problem.code == "YAML002" for problem in reading.problems):
        whole, _ = load_with_problems(path, takes_last=True)
        as_written = tuple(_with_inline(whole, overlays))
    one, other = bases_for(start)
    drafts = (
        draft(reading.document, overlays, one, targets, reading.wrong),
        draft(whole, as_written, other, targets),
    )
    return tuple(_finished(each, targets) for each in drafts)


def _with_inline(document: Document, overlays: Iterable[Overlay]) -> Iterator[Overlay]:
    """Yield overlays, the inline one as another reading of the file has it."""
    for overlay in overlays:
        inline = document.value.get(_INLINE)
        is_inline = overlay.prefix == (_INLINE,) and isinstance(inline, dict)
        yield replace(overlay, document=document, values=inline) if is_inline else overlay


def _finished(sketch: Sketch, targets: Mapping[str, Entry]) -> Spec:
    """Return a draft as a spec."""
    document, values = sketch.document, sketch.values
    output, sections = values.get("output"), kinds.sections(values, targets)
    return Spec(
        document.path,
        str(values.get("name", document.path.stem)),
        sketch.targets,
        sketch.base,
        sketch.overlays,
        output if isinstance(output, dict) else {},
        {key: value for key, value in sections.items() if isinstance(value, dict)},
        document,
        choice=choose(sketch.targets, sketch.base, targets),
    )


def _start(reading: _Reading, lock: Lock, instead: Base | None) -> Base | None:
    """Return what to start from; ``None`` when the base is not a valid one."""
    value = reading.values.get("base")
    if not bases.is_well_formed(value) or any(bases.iter_faults(value, locked=lock.files)):
        return instead
    return bases.make_base(value, reading.document.path.parent, locked=lock.files, instead=instead)


def _iter_faults(
    reading: _Reading, targets: Mapping[str, Entry], locked: Mapping[str, Mapping[str, str]]
) -> Iterator[Diagnostic]:
    """Yield what the schema leaves to us: targets, base and name."""
    values = reading.values
    if not isinstance(reading.document.value, dict):
        return
    yield from kinds.iter_faults(values, targets)
    if isinstance(values.get("output"), dict):
        yield from texts.iter_faults(values["output"], reading.document.path.parent)
    for fault in bases.iter_faults(values.get("base"), locked=locked):
        yield replace(fault, path=("base", *fault.path))
    stem = reading.document.path.stem
    if "name" not in values and not re.fullmatch(FILE_NAME, stem):
        message = f"the file's stem {stem!r} cannot name an artifact: wanted letters, digits, . _ -"
        yield Diagnostic(message, "SPEC001", "add `name: my-photon`")


def _read_overlays(reading: _Reading) -> tuple[Overlay, ...]:
    """Return the overlays of a spec, without what its own drops of the others."""
    overlays = tuple(_iter_overlays(reading, overlay_folders(reading.document.path)))
    if overlays and overlays[-1].document is reading.document:
        overlays = drop_nulls(overlays)
        reading.document = overlays[-1].document
    return overlays


def _iter_overlays(reading: _Reading, folders: tuple[Path, ...]) -> Iterator[Overlay]:
    """Yield the overlays of a spec: the named ones, then the inline one."""
    document = reading.document
    value = reading.values.get("overlays")
    named = value if isinstance(value, list) else []
    for index, name in enumerate(named):
        is_name = isinstance(name, str) and re.fullmatch(FILE_NAME, name)
        if not is_name or name in named[:index]:
            continue
        found = find_overlay(name, folders)
        if isinstance(found, Diagnostic):
            reading.blame([replace(found, path=("overlays", index))])
            reading.lacks_overlay = True
        else:
            yield from _named_overlay(reading, found)
    inline = reading.values.get(_INLINE)
    if isinstance(inline, dict):
        yield Overlay(str(document.path), document.path.parent, inline, document, (_INLINE,))


def _named_overlay(reading: _Reading, folder: Path) -> Iterator[Overlay]:
    """Yield a named overlay, when its file can be read."""
    try:
        overlay = read_overlay(folder)
    except SpecError as error:
        reading.problems += error.problems
        reading.lacks_overlay = True
        return
    document = overlay.document
    reading.check(document, overlay_schema(features_of(overlay.values), examples=False))
    yield overlay
