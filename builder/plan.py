"""A plan: the changes that a spec requests, ordered, checked and printable."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.blob import Blob, Download
from builder.changes import (
    STAGES,
    Change,
    InstallFiles,
    SetUnitState,
    WriteFile,
)
from builder.changes import replace as changed
from builder.documents import Document
from builder.errors import (
    Diagnostic,
    KeyPath,
    Place,
    Severity,
    SpecError,
)
from builder.facts import Facts, facts_of
from builder.features import Context, Feature, Reasoned, Requested
from builder.image_archive import Archive
from builder.plain import row_of
from builder.secret import Secrets, collecting
from builder.spec import Overlay, Spec
from builder.structs import Struct, replace

OVERRIDDEN = "PLAN002"
_OF_STEPS = frozenset({"PLAN001", OVERRIDDEN})
_ON_PURPOSE = f"drop one of the two, or write `allow: [{OVERRIDDEN}]` when it is meant"
_WARNING = Severity.WARNING


class Step(Struct, frozen=True):
    """One change and the key that requested it.

    Attributes:
        change: The change.
        origin: Key of the spec, such as ``overlay.compose.pihole``.
        place: Position of that key; ``None`` for a default.
        reason: Reason, when the key alone does not explain it.
        layer: Number of the overlay that has the key: a later one wins.
    """

    change: Change
    origin: str
    place: Place | None = None
    reason: str = ""
    layer: int = 0

    def __str__(self) -> str:
        return f"{self.place}: {self.origin}" if self.place else self.origin


class Plan(Struct, frozen=True):
    """Changes in canonical order: the order of the spec does not matter.

    Attributes:
        steps: The changes.
        warnings: Warnings about them.
        secrets: Values that were read by reference.
    """

    steps: tuple[Step, ...]
    warnings: tuple[Diagnostic, ...] = ()
    secrets: Secrets = Secrets()

    @property
    def digest(self) -> str:
        """SHA-256 of the changes; equal changes have equal digests, whichever keys request them."""
        rows = sorted(json.dumps(row_of(step.change), sort_keys=True) for step in self.steps)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes alone."""
        return tuple(step.change for step in self.steps)

    def without_defaults(self) -> "Plan":
        """Return the plan without the changes that are made by default."""
        return replace(self, steps=tuple(step for step in self.steps if step.place is not None))

    def plain(self) -> dict[str, Any]:
        """Return the plan as its document has it: contents by digest, secrets by number."""
        from builder.engine.document import Document, Entry, Unstored, to_plain

        told = (
            Entry(step.change, step.origin, str(step.place or ""), step.reason)
            for step in self.steps
        )
        return to_plain(Document(tuple(told)), Unstored())

    def downloads(self) -> list[tuple[WriteFile, Download]]:
        """Return the changes whose content has to be fetched before it can be written."""
        return [
            (change, change.content.source)
            for change in self.changes
            if isinstance(change, WriteFile) and isinstance(change.content.source, Download)
        ]

    def package_downloads(self) -> list[tuple[Blob, Download]]:
        """Return the RPM files that have to be fetched."""
        return [
            (blob, blob.source)
            for change in self.changes
            if isinstance(change, InstallFiles)
            for _, blob in change.files
            if isinstance(blob.source, Download)
        ]

    def archives(self) -> tuple[Archive, ...]:
        """Return the archives of container images that are fetched before they can be written."""
        recipes = (download.recipe for _, download in self.downloads())
        return tuple(recipe for recipe in recipes if isinstance(recipe, Archive))

    def without_drawn(self) -> "Plan":
        """Return the plan without values that were generated at random for this run."""
        kept = (step for step in self.steps if not getattr(step.change, "drawn", False))
        return replace(self, steps=tuple(kept))

    def with_content(self, fetched: dict[str, Blob]) -> "Plan":
        """Return the plan with downloads replaced by the files they became, by SHA-256."""
        return replace(self, steps=tuple(_filled(step, fetched) for step in self.steps))


def make_plan(
    spec: Spec,
    features: Iterable[Feature],
    *,
    facts: Facts | None = None,
    announce: Callable[[str], None] = lambda _: None,
    tolerated: Collection[str] = (),
) -> Plan:
    """Expand a spec's overlays into one plan.

    Overlays are merged as plans, not as YAML trees: equal changes become one, of different ones
    that of the later overlay counts, and the spec's own comes last.

    Args:
        spec: The spec; its values fit the features' schemas.
        features: The features, by key.
        facts: Facts of the base; ``None`` when it is unknown.
        announce: Called with messages that the user must see and that are stored nowhere.
        tolerated: Codes of errors that are reported as warnings when nothing is built.

    Raises:
        SpecError: the spec has errors or contradictions; all of them are listed.
    """
    problems: list[Diagnostic] = []
    known = facts or facts_of("")
    base = Context(spec.name, spec.path.parent, known.release, known.arch, facts=known)
    base = replace(base, announce=announce)
    with collecting() as secrets:
        decided = _decided(_steps(spec, tuple(features), base, problems), problems)
    documents = {overlay.document.path: overlay.document for overlay in spec.overlays}
    problems = [_with_line(each, documents) for each in tolerate(problems, tolerated)]
    problems = [problem for problem in problems if spec.reports(problem)]
    if any(problem.is_error for problem in problems):
        raise SpecError(tuple(problems))
    ordered = sorted(decided.values(), key=lambda s: (_stage(s.change), s.change.subject))
    return Plan(tuple(ordered), tuple(problems), Secrets(secrets))


def tolerate(problems: Iterable[Diagnostic], codes: Collection[str]) -> Iterator[Diagnostic]:
    """Yield problems, those with one of the codes as warnings."""
    for problem in problems:
        is_tolerated = problem.code in codes
        yield replace(problem, severity=Severity.WARNING) if is_tolerated else problem


def _with_line(found: Diagnostic, documents: Mapping[Path, Document]) -> Diagnostic:
    """Return a diagnostic with its line, when it lies in an overlay and has none yet."""
    place = found.place
    if found.code not in _OF_STEPS or place is None or place.file not in documents:
        return found
    return replace(found, excerpt=documents[place.file].excerpt(place))


def _decided(steps: Iterable[Step], problems: list[Diagnostic]) -> dict[str, Step]:
    """Return one step a subject; contradictions and what is overridden go to ``problems``."""
    decided: dict[str, Step] = {}
    for step in steps:
        subject = step.change.subject
        other = decided.setdefault(subject, step)
        agreed = _agreed(other.change, step.change)
        if agreed is not None:
            decided[subject] = replace(other, change=agreed)
        elif step.place is not None:  # what is asked for goes before a default
            wins = step.layer > other.layer and not (step.reason and not other.reason)
            problems.append((_override if wins else _contradiction)(other, step, subject))
            decided[subject] = step if wins else other
    return decided


def _steps(
    spec: Spec,
    features: tuple[Feature, ...],
    base: Context,
    problems: list[Diagnostic],
) -> Iterator[Step]:
    """Yield the changes of every key of every overlay, then the defaults."""
    sections = tuple((overlay.directory, overlay.values) for overlay in spec.overlays)
    base = replace(base, overlay=_merged(spec.overlays), pins=spec.pins, sections=sections)
    for layer, overlay in enumerate(spec.overlays):
        for step in _steps_of(overlay, features, base, problems):
            yield replace(step, layer=layer)
    yield from _defaults(spec, features, base)


def _steps_of(
    overlay: Overlay,
    features: tuple[Feature, ...],
    base: Context,
    problems: list[Diagnostic],
) -> Iterator[Step]:
    """Yield what every key of one overlay asks for."""
    context = replace(base, directory=overlay.directory)
    for feature in features:
        value = overlay.values.get(feature.key)
        if value is None:
            continue
        meant = base.overlay[feature.key]
        if not isinstance(value, dict | list) and value != meant:
            place = overlay.document.place((*overlay.prefix, feature.key))
            message = f"a later overlay has another `{feature.key}`: `{meant}` counts"
            problems.append(Diagnostic(message, OVERRIDDEN, _ON_PURPOSE, (), _WARNING, place))
            continue
        yield from _placed(_requested(feature, value, context), feature.key, overlay, problems)
    if overlay.files is not None:
        yield from _placed(_of_tree(overlay.files, context), "files", overlay, problems)


def _of_tree(folder: Path, context: Context) -> Iterator[Requested]:
    """Return what the folder of an overlay's files asks for."""
    from builder.features.companions import with_companions
    from builder.features.tree import tree_changes

    return with_companions(tree_changes(folder), context)


def _merged(overlays: Iterable[Overlay]) -> dict[str, Any]:
    """Return all overlays merged, for features that depend on others: lists and mappings joined."""
    merged: dict[str, Any] = {}
    for overlay in overlays:
        merged = _joined(merged, overlay.values)
    return merged


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings merged recursively."""
    joined = dict(one)
    for key, value in other.items():
        known = joined.get(key)
        if isinstance(known, list) and isinstance(value, list):
            joined[key] = [*known, *value]
        elif isinstance(known, dict) and isinstance(value, dict):
            joined[key] = _joined(known, value)
        else:
            joined[key] = value
    return joined


def _defaults(spec: Spec, features: tuple[Feature, ...], base: Context) -> Iterator[Step]:
    """Yield the default changes of features whose key no overlay has."""
    given = {key for overlay in spec.overlays for key in overlay.values}
    for feature in features:
        if feature.default is None or feature.key in given:
            continue
        for reasoned in map(_with_reason, _requested(feature, feature.default, base)):
            if not isinstance(reasoned, Diagnostic):
                yield Step(reasoned.change, f"default: {feature.key}", None, reasoned.reason)


def _requested(feature: Feature, value: Any, context: Context) -> Iterator[Requested]:  # noqa: ANN401 - any valid value
    """Yield a feature's changes, then the errors that it raised."""
    try:
        yield from feature.changes(value, context)
    except SpecError as error:
        yield from error.problems


def _placed(
    requests: Iterable[Requested], key: str, overlay: Overlay, problems: list[Diagnostic]
) -> Iterator[Step]:
    """Yield changes as steps with origin and place; faults go to ``problems``."""
    for requested in requests:
        reasoned = _with_reason(requested)
        if isinstance(reasoned, Diagnostic):
            problems.append(overlay.document.locate(reasoned, (*overlay.prefix, key)))
        else:
            path: KeyPath = (key, *reasoned.path)
            place = overlay.document.place((*overlay.prefix, *path))
            yield Step(
                reasoned.change, ".".join(map(str, ("overlay", *path))), place, reasoned.reason
            )


def _with_reason(requested: Requested) -> Reasoned | Diagnostic:
    """Return a requested change with its reason, which may be empty."""
    return requested if isinstance(requested, Reasoned | Diagnostic) else Reasoned(requested)


def _override(first: Step, second: Step, subject: str) -> Diagnostic:
    """Say that a later overlay has another thing, which counts."""
    message = f"`{second.origin}` overrides `{first.origin}` ({first.place}) for {subject}"
    return Diagnostic(message, OVERRIDDEN, _ON_PURPOSE, (), _WARNING, second.place)


def _contradiction(first: Step, second: Step, subject: str) -> Diagnostic:
    """Return the problem that two keys contradict each other about a subject."""
    return Diagnostic(
        f"`{first.origin}` ({first.place}) and `{second.origin}` disagree about {subject}",
        "PLAN001",
        "drop one of the two, or make them equal",
        place=second.place or first.place,
    )


def _agreed(one: Change, other: Change) -> Change | None:
    """Return the change that satisfies both; ``None`` when they contradict each other."""
    if one == other:
        return one
    if isinstance(one, SetUnitState) and isinstance(other, SetUnitState):
        strict = changed(one, if_present=one.if_present and other.if_present)
        return strict if one.state is other.state else None
    return None


def _stage(change: Change) -> int:
    return next(number for number, kinds in enumerate(STAGES) if isinstance(change, kinds))


def _filled(step: Step, fetched: dict[str, Blob]) -> Step:
    """Return ``step`` with its content on this machine, if it was fetched."""
    match step.change:
        case WriteFile(content=Blob(sha256=sha256, source=Download())) as change:
            content = fetched.get(sha256, change.content)
            return replace(step, change=changed(change, content=content))
        case InstallFiles(files=files) as packages:
            here = tuple((name, fetched.get(blob.sha256, blob)) for name, blob in files)
            return replace(step, change=changed(packages, files=here))
        case _:
            return step
