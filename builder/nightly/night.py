"""A nightly run: build what changed, take over what did not, publish all of it in one step.

An artifact is unchanged when its spec, overlays, lock, base and this program's version give the
key that the newest build recorded for it. It is then linked into the new build, not copied; so
is the last good one of what fails now. A night with nothing new publishes nothing.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from builder.artifact import write_beside
from builder.build import Outcome, Request, find_standing
from builder.errors import BuilderError, UsageError
from builder.executors import Result, as_error, build_all
from builder.nightly.carry import carry
from builder.nightly.folder import Builds, build_name
from builder.nightly.record import STATUS, SUMMARY, Row, State, Summary, failure, read_rows
from builder.nightly.why import why_built
from builder.progress import Progress, Silent
from builder.structs import Struct, replace

Tell: TypeAlias = Callable[[Row, BuilderError | None], object]
"""Told of each artifact as soon as it is known what became of it, and of what went wrong."""


class Requested(Struct, frozen=True):
    """A spec of the night.

    Attributes:
        spec: Its name, the same every night; see :func:`spec_name`.
        found: What it asks for, or why it cannot be read.
    """

    spec: str
    found: tuple[Request, ...] | BuilderError


class Options(Struct, frozen=True):
    """How a night is run.

    Attributes:
        keep: How many builds are kept; zero keeps all.
        is_partial: Whether there are more specs than were asked for: theirs stay as they are.
        finish: Adds what describes a build as a whole; given its folder and its name.
        tell: Told of each artifact.
        show: Returns where the progress of a request is shown.
    """

    keep: int = 0
    is_partial: bool = False
    finish: Callable[[Path, str], object] = lambda _folder, _name: None
    tell: Tell = lambda _row, _error: None
    show: Callable[[Request], Progress] = lambda _: Silent()


class _Before(Struct, frozen=True):
    """The newest build; without a name when there is none yet."""

    folder: Path
    name: str
    rows: Mapping[tuple[str, str], Row]

    def maker(self, artifact: str) -> str:
        """Return the build that made an artifact."""
        found = (row.build for row in self.rows.values() if row.artifact == artifact)
        return next(found, "") or self.name

    @property
    def artifacts(self) -> set[str]:
        """The names of what is in it."""
        return {row.artifact for row in self.rows.values()}


def run_night(wishes: Sequence[Requested], builds: Builds, options: Options) -> Summary:
    """Build what the specs ask for and publish it; what fails loses nothing else.

    Raises:
        HostError: another run is at work, or the folder of builds cannot be written.
    """
    started, begun = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    with builds.locked():
        before = _look(builds)
        with builds.draft() as draft:
            rows = tuple(_carried(_rows(wishes, before, draft, options), before, draft))
            summary = Summary(started, time.monotonic() - begun, "", before.name, rows)
            if _is_new(rows, before):
                name = build_name(draft)
                summary = replace(summary, build=name, latest=name)
                write_beside(draft / SUMMARY, summary.text())
                options.finish(draft, name)
                builds.publish(draft)
        pruned = tuple(builds.prune(options.keep)) if options.keep else ()
        summary = replace(summary, seconds=time.monotonic() - begun, pruned=pruned)
        write_beside(builds.directory / STATUS, summary.text())
        return summary


def spec_name(path: Path) -> str:
    """Return what a spec is called in the records: its path from where the program runs."""
    return os.path.relpath(path)


def _look(builds: Builds) -> _Before:
    """Return what the pointer names."""
    name = builds.latest()
    if not name:
        return _Before(builds.directory, "", {})
    folder = builds.directory / name
    return _Before(folder, name, {row.key: row for row in read_rows(folder)})


def _rows(
    wishes: Sequence[Requested], before: _Before, draft: Path, options: Options
) -> Iterator[Row]:
    """Yield what became of everything, in the order of the specs, then what was not asked for."""
    decided = list(_decide(wishes, before, options.tell))
    asked_for = [each for each in decided if isinstance(each, Request)]
    reasons = {each.artifact.name: _why(each, before) for each in asked_for}
    left = [replace(each, output=draft) for each in asked_for]

    def row_of(result: Result) -> Row:
        name = result.request.artifact.name
        return replace(_row(result, draft), reason=reasons.get(name, ""))

    def done(result: Result) -> None:
        found = result.found
        options.tell(row_of(result), found if isinstance(found, BuilderError) else None)

    results = iter(build_all(left, done=done, show=options.show))
    for each in decided:
        yield each if isinstance(each, Row) else row_of(next(results))
    if options.is_partial:
        asked = {wish.spec for wish in wishes}
        for row in before.rows.values():
            if row.spec not in asked:
                yield replace(row, state=State.KEPT, exit_code=0, errors=(), problems=(), reason="")


def _decide(wishes: Sequence[Requested], before: _Before, tell: Tell) -> Iterator[Row | Request]:
    """Yield what became of each artifact, or the request for what has to be built."""
    makers: dict[str, str] = {}
    for wish in wishes:
        if isinstance(wish.found, BuilderError):
            tell(failure(wish.spec, "", wish.found), wish.found)
            old = [target for spec, target in before.rows if spec == wish.spec]
            yield from (failure(wish.spec, target, wish.found) for target in old or [""])
            continue
        for request in wish.found:
            decision = _decision(wish.spec, request, before, makers)
            if isinstance(decision, BuilderError):
                row = failure(wish.spec, request.target.name, decision)
                tell(row, decision)
                yield row
            else:
                if isinstance(decision, Row):
                    tell(decision, None)
                yield decision


def _decision(
    spec: str, request: Request, before: _Before, makers: dict[str, str]
) -> Row | Request | BuilderError:
    """Return the row of what stands already, the request when it does not, or what is wrong."""
    name = request.artifact.name
    try:
        if makers.setdefault(name, spec) != spec:
            raise UsageError(
                f"{spec} makes {name}, and so does {makers[name]}",
                hint="give one of them another `name`",
            )
        standing = find_standing(replace(request, output=before.folder))
    except (BuilderError, OSError) as error:
        return as_error(error, before.folder)
    if standing is None:
        return request
    return _made(spec, request, standing, State.UNCHANGED, before.maker(name))


def _why(request: Request, before: _Before) -> str:
    """Return why an artifact is built; the night goes on whatever becomes of the answer."""
    try:
        return why_built(replace(request, output=before.folder))
    except BuilderError:
        return ""


def _row(result: Result, draft: Path) -> Row:
    """Return what came of a request."""
    spec, request = spec_name(result.request.spec.path), result.request
    if isinstance(result.found, BuilderError):
        return failure(spec, request.target.name, result.found, result.seconds)
    row = _made(spec, request, result.found, State.BUILT, build_name(draft))
    return replace(row, seconds=round(result.seconds, 1))


def _made(spec: str, request: Request, outcome: Outcome, state: State, build: str) -> Row:
    """Return the row of an artifact that is as it should be."""
    name, target = outcome.artifact.name, request.target.name
    return Row(spec, target, state, name, outcome.sha256, outcome.size, build)


def _carried(rows: Iterator[Row], before: _Before, draft: Path) -> Iterator[Row]:
    """Put what was not built now into the draft too; what failed gets its last good artifact."""
    known = list(rows)
    taken = {row.artifact for row in known}
    for row in known:
        old = before.rows.get(row.key)
        stands = row
        if row.state is State.FAILED and old is not None and old.artifact not in taken:
            stands = _with_artifact_of(old, row)
        if stands.artifact and stands.state is not State.BUILT:
            if (before.folder / stands.artifact).is_file():
                carry(before.folder / stands.artifact, draft)
            else:
                stands = _with_artifact_of(Row(*row.key, row.state), row)
        yield stands


def _with_artifact_of(old: Row, row: Row) -> Row:
    """Return ``row`` with the artifact of another one."""
    return replace(row, artifact=old.artifact, sha256=old.sha256, size=old.size, build=old.build)


def _is_new(rows: Sequence[Row], before: _Before) -> bool:
    """Return whether a build would differ from the one before; one without anything never does."""
    artifacts = {row.artifact for row in rows if row.artifact}
    is_built = any(row.state is State.BUILT for row in rows)
    return bool(artifacts) and (is_built or artifacts != before.artifacts)
