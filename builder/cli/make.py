"""The commands that make artifacts: ``build`` and ``fetch``."""

import sys
import time
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from builder import api
from builder.build import Request
from builder.cli.answers import write_result
from builder.cli.events import emit, events_option
from builder.cli.options import (
    PATH,
    base_option,
    chosen_targets,
    default_output,
    json_option,
    question,
    reporter,
    target_option,
    warn,
)
from builder.cli.outcomes import emit_artifact, row_of, summary
from builder.cli.reading import read_spec
from builder.cli.trust import trust_bases, trust_option
from builder.spec import Spec
from builder.targets import Target


class BuildOptions(TypedDict):
    """The options of ``build``."""

    targets: tuple[str, ...]
    base: str | None
    output: Path | None
    jobs: int
    keep_going: bool
    force: bool
    offline: bool
    trust_first: bool
    as_json: bool


class FetchOptions(TypedDict):
    """The options of ``fetch``."""

    targets: tuple[str, ...]
    base: str | None
    trust_first: bool
    as_list: bool
    as_json: bool


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC…")
@target_option
@base_option
@click.option("--output", "-o", type=PATH, help="Directory for the artifacts [output].")
@click.option(
    "--jobs", "-j", type=click.IntRange(min=0), default=0, metavar="N",
    help="Build up to N artifacts in parallel [one per processor].",
)  # fmt: skip
@click.option(
    "--keep-going", "-k", is_flag=True, help="Build the remaining artifacts after one has failed."
)
@click.option("--force", "-f", is_flag=True, help="Build even if nothing changed.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@trust_option
@json_option
@events_option
def build(specs: tuple[str, ...], **choices: Unpack[BuildOptions]) -> int:
    """Build every artifact of the specs, several in parallel.

    Prints the path of each artifact to standard output. Skips those whose spec, base and
    version did not change since the last build. A base without a published digest is trusted
    on first download, on a terminal or with --trust-first; later builds require that digest.
    """
    read = [read_spec(name, base=choices["base"]) for name in specs]
    chosen = [(spec, chosen_targets(spec, choices["targets"])) for spec in read]
    trust_bases(chosen, trust_first=choices["trust_first"], offline=choices["offline"])
    work = [_request(spec, target, choices) for spec, targets in chosen for target in targets]
    if len(work) == 1:
        _build_one(work[0], as_json=choices["as_json"])
        return 0
    from builder.cli.together import build_together

    return build_together(
        work,
        jobs=choices["jobs"],
        keep_going=choices["keep_going"],
        as_json=choices["as_json"],
    )


@click.command()
@click.argument("spec")
@target_option
@base_option
@trust_option
@click.option("--list", "as_list", is_flag=True, help="Print the addresses, and download nothing.")
@json_option
@events_option
def fetch(spec: str, **choices: Unpack[FetchOptions]) -> None:
    """Download the files that a spec needs.

    With --list, print the first address of each file instead, one per line.
    """
    read = read_spec(spec, base=choices["base"])
    chosen = chosen_targets(read, choices["targets"])
    if choices["as_list"]:
        _list_addresses(read, chosen, as_json=choices["as_json"])
        return
    trust_bases([(read, chosen)], trust_first=choices["trust_first"], offline=False)
    rows = [_fetch(question(read, target)) for target in chosen]
    text = "".join(f"{row['path']}\n" for row in rows)
    write_result("fetch", {"files": rows}, as_json=choices["as_json"], text=text)


def _fetch(request: Request) -> dict[str, str]:
    """Download the files of an artifact, and return the path of its base."""
    from builder.base import open_base
    from builder.build import prepare
    from builder.cache import Cache
    from builder.display_names import display_name
    from builder.inputs import with_downloads

    cache, progress = Cache(), reporter()
    plan, origin = prepare(request)
    opened = open_base(origin, request.target, cache, progress)
    with display_name(opened.path, origin.source.filename if origin.source else opened.path.name):
        opened.check()
        with_downloads(plan, opened.path, cache, progress, offline=False)
    named = {"spec": request.spec.name, "target": request.target.name}
    size = opened.path.stat().st_size
    emit("artifact", **named, artifact=str(opened.path), size=size, built=False)
    return {"target": request.target.name, "base": origin.text, "path": str(opened.path)}


def _list_addresses(spec: Spec, chosen: list[Target], *, as_json: bool) -> None:
    """Print the addresses of all files that a spec needs."""
    from builder.build import prepare

    rows: dict[str, dict[str, Any]] = {}
    for target in chosen:
        plan, origin = prepare(question(spec, target))
        if origin.source is not None:
            source = origin.source
            rows[source.key or origin.text] = {
                "file": source.filename,
                "urls": list(source.urls),
                "digests": dict(source.digests),
            }
        for change, download in plan.downloads():
            rows[download.url] = {
                "file": download.filename,
                "urls": [download.url],
                "digests": {} if download.recipe else {"sha256": change.content.sha256},
            }
    text = "".join(f"{url}\n" for row in rows.values() for url in row["urls"][:1])
    write_result("fetch-list", {"files": list(rows.values())}, as_json=as_json, text=text)


def _request(spec: Spec, target: Target, choices: BuildOptions) -> Request:
    """Return the request that the command line describes."""
    return api.make_request(
        spec,
        target,
        choices["output"] or default_output(),
        force=choices["force"],
        offline=choices["offline"],
        announce=announce,
    )


def _build_one(request: Request, *, as_json: bool) -> None:
    """Build one artifact and print the result."""
    begun = time.monotonic()
    outcome = api.build(request, progress=reporter())
    seconds = time.monotonic() - begun
    warn(outcome.warnings)
    emit_artifact(request, outcome, seconds)
    sys.stderr.write(f"{summary(request, outcome, seconds)}\n")
    named = {"spec": request.spec.name, "target": request.target.name}
    value = {"artifacts": [{**named, **row_of(outcome)}]}
    write_result("build", value, as_json=as_json, text=f"{outcome.artifact}\n")


def announce(text: str) -> None:
    """Print a message that the user must see now and that is stored nowhere."""
    sys.stderr.write(f"{text}\n")
