"""A plan: the changes that a spec asks for, ordered, checked and printable."""

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
from builder.errors import (
    Diagnostic,
    KeyPath,
    Place,
    Severity,
    SpecError,
)
from builder.facts import Facts, facts_of
from builder.features import Reasoned, Context, Feature, Requested
from builder.image_archive import Archive
from builder.plain import row_of
from builder.secret import Secrets, collecting
from builder.spec import Overlay, Spec
from builder.structs import Struct, replace


class Step(Struct, frozen=True):
    """One change and what asked for it.

    Attributes:
        change: The change.
        origin: Key of the spec, such as ``overlay.compose.pihole``.
        place: Position of that key; ``None`` for a default.
        reason: Why, when the key alone does not say it.
    """

    change: Change
    origin: str
    place: Place | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.origin}" if self.place else self.origin


class Plan(Struct, frozen=True):
    """What will be done, in canonical order: the order of the spec does not matter.

    Attributes:
        steps: The changes.
        warnings: What is doubtful about them.
        secrets: What was read by reference, to be found in no other place.
    """

    steps: tuple[Step, ...]
    warnings: tuple[Diagnostic, ...] = ()
    secrets: Secrets = Secrets()

    @property
    def digest(self) -> str:
        """SHA-256 of the changes; equal wishes have equal digests, whatever asked for them."""
        rows = sorted(json.dumps(row_of(step.change), sort_keys=True) for step in self.steps)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes alone."""
        return tuple(step.change for step in self.steps)

    def without_defaults(self) -> "Plan":
        """Return the plan with what the spec's own keys ask for, and nothing else."""
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
        """Return the plan without what was drawn for this run: an earlier file has another."""
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

    Overlays are merged as plans, not as YAML trees: equal changes become one, and
    contradictory ones are refused.

    Args:
        spec: The spec; its values fit the features' schemas.
        features: What the keys of an overlay mean.
        facts: What is known of the base; unless given, nothing.
        announce: Told what a person must read now and nowhere else.
        tolerated: Codes of errors that are warnings to somebody who builds nothing.

    Raises:
        SpecError: with everything found wrong, contradictions included.
    """
    problems: list[Diagnostic] = []
    known = facts or facts_of("")
    base = Context(spec.name, spec.path.parent, known.release, known.arch, facts=known)
    base = replace(base, announce=announce)
    with collecting() as secrets:
        decided = _decided(_steps(spec, tuple(features), base, problems), problems)
    problems = [problem for problem in tolerate(problems, tolerated) if spec.heeds(problem)]
    if any(problem.is_error for problem in problems):
        raise SpecError(tuple(problems))
    ordered = sorted(decided.values(), key=lambda s: (_stage(s.change), s.change.subject))
    return Plan(tuple(ordered), tuple(problems), Secrets(secrets))


def tolerate(problems: Iterable[Diagnostic], codes: Collection[str]) -> Iterator[Diagnostic]:
    """Yield problems; those with one of the codes as warnings."""
    for problem in problems:
        is_tolerated = problem.code in codes
        yield replace(problem, severity=Severity.WARNING) if is_tolerated else problem


def _decided(steps: Iterable[Step], problems: list[Diagnostic]) -> dict[str, Step]:
    """Return one step a subject; contradictions go to ``problems``."""
    decided: dict[str, Step] = {}
    for step in steps:
        subject = step.change.subject
        other = decided.setdefault(subject, step)
        agreed = _agreed(other.change, step.change)
        if agreed is not None:
            decided[subject] = replace(other, change=agreed)
        elif step.place is not None:  # what is asked for goes before a default
            problems.append(_contradiction(other, step, subject))
    return decided


def _steps(
    spec: Spec,
    features: tuple[Feature, ...],
    base: Context,
    problems: list[Diagnostic],
) -> Iterator[Step]:
    """Yield what every key of every overlay asks for, then the defaults."""
    sections = tuple((overlay.directory, overlay.values) for overlay in spec.overlays)
    base = replace(base, overlay=_merged(spec.overlays), pins=spec.pins, sections=sections)
    for overlay in spec.overlays:
        context = replace(base, directory=overlay.directory)
        for feature in features:
            if feature.key in overlay.values:
                wishes = _requested(feature, overlay.values[feature.key], context)
                yield from _placed(wishes, feature.key, overlay, problems)
        if overlay.files is not None:
            yield from _placed(_of_tree(overlay.files, context), "files", overlay, problems)
    yield from _defaults(spec, features, base)


def _of_tree(folder: Path, context: Context) -> Iterator[Requested]:
    """Return what the folder of an overlay's files asks for."""
    from builder.features.companions import with_companions
    from builder.features.tree import tree_changes

    return with_companions(tree_changes(folder), context)


def _merged(overlays: Iterable[Overlay]) -> dict[str, Any]:
    """Return what all overlays say, for wishes that depend on others: lists and mappings joined."""
    merged: dict[str, Any] = {}
    for overlay in overlays:
        merged = _joined(merged, overlay.values)
    return merged


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings as one; what both have is joined, at every depth."""
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
    """Yield what features mean by their defaults, for the keys that no overlay has."""
    given = {key for overlay in spec.overlays for key in overlay.values}
    for feature in features:
        if feature.default is None or feature.key in given:
            continue
        for because in map(_because, _requested(feature, feature.default, base)):
            if not isinstance(because, Diagnostic):
                yield Step(because.change, f"default: {feature.key}", None, because.reason)


def _requested(feature: Feature, value: Any, context: Context) -> Iterator[Requested]:  # noqa: ANN401 - any valid value
    """Yield a feature's wishes; what was raised comes last."""
    try:
        yield from feature.changes(value, context)
    except SpecError as error:
        yield from error.problems


def _placed(
    wishes: Iterable[Requested], key: str, overlay: Overlay, problems: list[Diagnostic]
) -> Iterator[Step]:
    """Give wishes their origin and place; faults go to ``problems``."""
    for wish in wishes:
        because = _because(wish)
        if isinstance(because, Diagnostic):
            problems.append(overlay.document.locate(because, (*overlay.prefix, key)))
        else:
            path: KeyPath = (key, *because.path)
            place = overlay.document.place((*overlay.prefix, *path))
            yield Step(
                because.change, ".".join(map(str, ("overlay", *path))), place, because.reason
            )


def _because(wish: Requested) -> Reasoned | Diagnostic:
    """Return a wish with a reason, an empty one if need be."""
    return wish if isinstance(wish, Reasoned | Diagnostic) else Reasoned(wish)


def _contradiction(first: Step, second: Step, subject: str) -> Diagnostic:
    """Say that two keys want different things of one subject."""
    return Diagnostic(
        f"`{first.origin}` ({first.place}) and `{second.origin}` disagree about {subject}",
        "PLAN001",
        "overlays are merged by what they do: drop one of the two, or make them equal",
        place=second.place or first.place,
    )


def _agreed(one: Change, other: Change) -> Change | None:
    """Return the change that satisfies both, ``None`` when they contradict each other."""
    if one == other:
        return one
    if isinstance(one, SetUnitState) and isinstance(other, SetUnitState):
        strict = changed(one, if_present=one.if_present and other.if_present)
        return strict if one.state is other.state else None
    return None


def _stage(change: Change) -> int:
    """Return when a change applies."""
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
