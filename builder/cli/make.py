"""The commands that make artifacts: ``build`` and ``fetch``."""

import sys
import time
from pathlib import Path
from typing import TypedDict, Unpack

import click

from builder.build import Request
from builder.build import build as build_artifact
from builder.cli.options import (
    PATH,
    base_of,
    base_option,
    chosen_targets,
    default_output,
    is_group,
    json_option,
    question,
    read_spec,
    reporter,
    target_option,
    warn,
    write_result,
)
from builder.cli.report import show_error
from builder.cli.together import build_together, row_of, summary
from builder.errors import BuilderError
from builder.lock import read_lock
from builder.spec import Spec
from builder.targets import Target


class Choices(TypedDict):
    """The options of ``build``."""

    targets: tuple[str, ...]
    base: str | None
    output: Path | None
    keep_going: bool
    force: bool
    offline: bool
    as_json: bool


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC…")
@target_option
@base_option
@click.option("--output", "-o", type=PATH, help="Folder for the artifacts [output].")
@click.option("--keep-going", "-k", is_flag=True, help="Build the others when one fails.")
@click.option("--force", "-f", is_flag=True, help="Build even when nothing changed.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@json_option
def build(specs: tuple[str, ...], **choices: Unpack[Choices]) -> int:
    """Build every artifact of the specs.

    The path of each artifact goes to standard output. Nothing is done for one whose spec,
    base and version are those it was built from.
    """
    read = [read_spec(name) for name in specs]
    work = [
        _request(spec, target, choices)
        for spec in read
        for target in chosen_targets(spec, choices["targets"])
    ]
    if any(is_group(spec, choices["targets"]) for spec in read):
        return build_together(work, as_json=choices["as_json"])
    failed = 0
    for request in work:
        try:
            _build_one(request, as_json=choices["as_json"])
        except BuilderError as error:
            if not choices["keep_going"]:
                raise
            sys.stderr.write(f"{request.spec.name} ({request.target.name}) failed:\n")
            show_error(error)
            failed = failed or error.exit_code
    return failed


@click.command()
@click.argument("spec")
@target_option
@json_option
def fetch(spec: str, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Download what a spec needs, and nothing else."""
    from builder.base import open_base
    from builder.build import prepare, with_downloads
    from builder.cache import Cache

    read = read_spec(spec)
    cache, progress = Cache(), reporter()
    rows = []
    for target in chosen_targets(read, targets):
        plan, origin = prepare(question(read, target))
        opened = open_base(origin, target, cache, progress)
        opened.check()
        with_downloads(plan, opened.path, cache, progress, offline=False)
        rows.append({"target": target.name, "base": opened.origin.text, "path": str(opened.path)})
    text = "".join(f"{row['path']}\n" for row in rows)
    write_result(rows, as_json=as_json, text=text)


def _request(spec: Spec, target: Target, choices: Choices) -> Request:
    """Return what the command line asks for."""
    return Request(
        spec,
        target,
        choices["output"] or default_output(),
        base_of(choices["base"]),
        force=choices["force"],
        offline=choices["offline"],
        locked=read_lock(spec.path.parent),
        announce=announce,
    )


def _build_one(request: Request, *, as_json: bool) -> None:
    """Build one artifact and print what came of it."""
    from builder.cache import Cache

    begun = time.monotonic()
    outcome = build_artifact(request, Cache(), reporter())
    seconds = time.monotonic() - begun
    warn(outcome.warnings)
    sys.stderr.write(f"{summary(request, outcome, seconds)}\n")
    write_result(row_of(outcome), as_json=as_json, text=f"{outcome.artifact}\n")


def announce(text: str) -> None:
    """Show what a person must read now."""
    sys.stderr.write(f"{text}\n")
