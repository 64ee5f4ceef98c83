"""The command ``nightly``: builds the artifacts of many specs that changed."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack

import click

from builder.artifact import write_beside
from builder.build import Request
from builder.cli.answers import write_result
from builder.cli.events import emit, emit_problems, events_option
from builder.cli.make import announce
from builder.cli.options import (
    PATH,
    base_option,
    chosen_targets,
    default_output,
    find_spec,
    json_option,
    reporter,
)
from builder.cli.reading import read_spec
from builder.cli.report import show_error
from builder.cli.trust import trust_bases, trust_option
from builder.errors import BuilderError, UsageError, problems_of
from builder.executors import as_error
from builder.imager import NAME, list_images
from builder.lock import read_lock
from builder.nightly.folder import LATEST, Builds
from builder.nightly.night import Options, Requested, run_night, spec_name
from builder.nightly.record import Row, State, Summary

_SPECS = Path("specs")


class NightlyOptions(TypedDict):
    """The options of ``nightly``."""

    output: Path | None
    keep: int | None
    base: str | None
    url: str | None
    offline: bool
    trust_first: bool
    as_json: bool


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPEC]…")
@click.option("--output", "-o", type=PATH, help="Directory for the builds [output/nightly].")
@click.option(
    "--keep", type=click.IntRange(min=1), help="Keep the newest N builds, remove older ones."
)
@base_option
@click.option("--url", help="Public URL of the directory of builds, for os_list.json.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@trust_option
@json_option
@events_option
def nightly(specs: tuple[str, ...], **choices: Unpack[NightlyOptions]) -> int:
    """Build the artifacts that changed since the last build, and publish them in one step.

    Without SPEC: every spec in specs/. Each build is a dated directory that is complete and
    never changes; the link `latest` is moved to it last. An artifact that fails keeps its
    last good version, and the others are published.
    """
    builds = Builds(choices["output"] or default_output() / "nightly")
    names = specs or tuple(str(path) for path in sorted(_SPECS.glob("*.yaml")))
    if not names:
        raise UsageError(
            f"{_SPECS.resolve()} contains no spec (*.yaml)",
            hint="photon-builder init specs/my-photon.yaml, or name the specs",
        )
    wishes = [_requests_of(name, choices) for name in names]
    url = choices["url"] or builds.directory.resolve().as_uri()
    options = Options(
        choices["keep"] or 0,
        is_partial=bool(specs),
        finish=lambda folder, name: _write_images(folder, f"{url.rstrip('/')}/{name}"),
        tell=_report,
        show=lambda request: reporter(spec_name(request.spec.path), request.target.name),
    )
    summary = run_night(wishes, builds, options)
    write_result(
        "nightly", summary.plain(), as_json=choices["as_json"], text=_text(summary, builds)
    )
    return summary.exit_code


def _requests_of(name: str, choices: NightlyOptions) -> Requested:
    """Return the requests of a spec, or its error, which does not stop other specs."""
    path = find_spec(name)
    try:
        spec = read_spec(name, base=choices["base"])
        targets = chosen_targets(spec, ())
        trust_bases(
            [(spec, targets)], trust_first=choices["trust_first"], offline=choices["offline"]
        )
        locked = read_lock(path.parent)
        requests = tuple(
            Request(
                spec,
                target,
                Path(),
                offline=choices["offline"],
                locked=locked,
                announce=announce,
            )
            for target in targets
        )
    except Exception as error:  # bugs included: the other specs are still built
        return Requested(spec_name(path), as_error(error, path))
    return Requested(spec_name(path), requests)


def _write_images(folder: Path, url: str) -> None:
    """Write os_list.json for Raspberry Pi Imager if the build has card images."""
    found = list_images(folder, url)
    if found["os_list"]:
        write_beside(folder / NAME, json.dumps(found, indent=2) + "\n")


def _report(row: Row, error: BuilderError | None) -> None:
    """Print the result of an artifact when it finishes."""
    if error is not None:
        code, subject = error.exit_code, (row.spec, row.target)
        emit_problems(problems_of(error), exit_code=code, subject=subject)
        sys.stderr.write(f"{_clock()} {_name(row)} failed:\n")
        show_error(error)
    elif row.state is State.BUILT:
        because = f", because {row.reason}" if row.reason else ""
        sys.stderr.write(f"{_clock()} {_name(row)}: built and verified{because}\n")
    if error is None:
        emit(
            "artifact",
            spec=row.spec,
            target=row.target,
            artifact=row.artifact,
            sha256=row.sha256,
            size=row.size,
            built=row.state is State.BUILT,
            seconds=row.seconds,
        )


def _text(summary: Summary, builds: Builds) -> str:
    """Return the result of a run as text."""
    lines = [f"started {summary.started}, took {summary.seconds:.1f} s"]
    lines += [f"{_name(row)}: {_outcome(row)}" for row in summary.rows]
    if summary.build:
        lines.append(f"published {builds.directory / summary.build}; {LATEST} now points to it")
    elif summary.latest:
        lines.append(
            f"nothing changed: {builds.directory / LATEST} still points to {summary.latest}"
        )
    else:
        lines.append("nothing was published")
    lines += [f"removed {builds.directory / name}" for name in summary.pruned]
    return "".join(f"{line}\n" for line in lines)


def _clock() -> str:
    """Return the current time for log lines."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(row: Row) -> str:
    """Return the name of an artifact as ``build`` prints it."""
    return f"{row.spec} ({row.target})" if row.target else row.spec


def _outcome(row: Row) -> str:
    """Return the result of an artifact as text."""
    match row.state:
        case State.BUILT:
            because = f", because {row.reason}" if row.reason else ""
            return f"built, {row.size / 1e6:.1f} MB in {row.seconds:.1f} s{because}"
        case State.UNCHANGED:
            return f"unchanged since {row.build}"
        case State.KEPT:
            return f"not requested, kept from {row.build}"
        case State.FAILED:
            good = (
                f"kept the last good one, from {row.build}"
                if row.artifact
                else "no earlier good build"
            )
            return f"FAILED (exit code {row.exit_code}, see above); {good}"
