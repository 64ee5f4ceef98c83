"""What a nightly run did, artifact by artifact: as JSON, and read back from it.

``summary.json`` lies in each build and tells what is in it; ``status.json`` lies above them and
tells what the last run did.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from builder import __version__
from builder.errors import BuilderError, SpecError, problems_of
from builder.structs import Struct, asdict, field, fields

SUMMARY, STATUS = "summary.json", "status.json"
_SCHEMA = "photon-builder/nightly/v1"


class State(StrEnum):
    """What became of an artifact."""

    BUILT = "built"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    KEPT = "kept"
    """Not asked for in this run: taken over from the build before."""


class Row(Struct, frozen=True):
    """One artifact of a run.

    Attributes:
        spec: File name of its spec.
        target: Name of its target; empty when the spec could not be read.
        state: What became of it.
        artifact: File name in the build; empty when there is none, not even an old one.
        sha256: Its digest.
        size: Its length.
        build: The build that made it. When the state is ``failed``, this is the last good one.
        seconds: How long building took.
        exit_code: That of the failure.
        errors: What went wrong, one sentence each.
        reason: Why it was built, or was to be built.
        problems: The same as plain data, each with its code, place and hint.
    """

    spec: str
    target: str
    state: State
    artifact: str = ""
    sha256: str = ""
    size: int = 0
    build: str = ""
    seconds: float = 0.0
    exit_code: int = 0
    errors: tuple[str, ...] = ()
    reason: str = ""
    problems: tuple[Mapping[str, object], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What tells an artifact from the others, from night to night."""
        return self.spec, self.target


class Summary(Struct, frozen=True):
    """A run.

    Attributes:
        started: UTC, ISO 8601.
        seconds: How long it took.
        build: The build that it published; empty when there was nothing new.
        latest: Where the pointer is now; empty when nothing was ever published.
        rows: The artifacts.
        pruned: Builds that were removed.
    """

    started: str
    seconds: float
    build: str
    latest: str
    rows: tuple[Row, ...]
    pruned: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """The first failure's, zero without one."""
        return next((row.exit_code for row in self.rows if row.exit_code), 0)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "schema": _SCHEMA,
            "builder": {"name": "photon-builder", "version": __version__},
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "exit_code": self.exit_code,
            "build": self.build or None,
            "latest": self.latest or None,
            "artifacts": [asdict(row) for row in self.rows],
            "pruned": list(self.pruned),
        }

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.plain(), indent=2) + "\n"


def read_rows(build: Path) -> tuple[Row, ...]:
    """Return the artifacts that a build holds; nothing when its summary cannot be read."""
    try:
        found = json.loads((build / SUMMARY).read_bytes())["artifacts"]
        rows = tuple(_row(each) for each in found)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(row for row in rows if row.artifact)


def failure(spec: str, target: str, error: BuilderError, seconds: float = 0.0) -> Row:
    """Return the row of something that could not be built."""
    found = problems_of(error)
    return Row(
        spec,
        target,
        State.FAILED,
        seconds=seconds,
        exit_code=error.exit_code,
        errors=_sentences(error),
        problems=tuple(problem.row() for problem in found),
    )


def _row(found: Mapping[str, Any]) -> Row:
    """Return a row from plain data; keys of later versions are left out."""
    known = {each.name for each in fields(Row)} & found.keys()
    row = Row(
        **{key: found[key] for key in known - {"state", "errors", "problems"}},
        state=State(found["state"]),
    )
    if Path(row.artifact).name != row.artifact or row.artifact.startswith("."):
        raise ValueError(f"{row.artifact!r} is no name of an artifact")
    return row


def _sentences(error: BuilderError) -> tuple[str, ...]:
    """Return what is wrong as sentences, those about a spec with their places."""
    if not isinstance(error, SpecError):
        return (str(error),)
    return tuple(f"{p.place}: {p.message}" if p.place else p.message for p in error.problems)
