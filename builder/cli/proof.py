"""The command ``verify``: is a file sound, and is it what a spec says; if not, in which way."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder import api
from builder.build import leaks_of
from builder.cli.answers import write_result
from builder.cli.options import PATH, base_option, json_option, question, reporter, warn
from builder.cli.reading import read_spec
from builder.request import Request
from builder.selection import target_of

if TYPE_CHECKING:
    from builder.claims import Verdict


@click.command()
@click.argument("artifact", type=PATH)
@click.argument("spec", required=False)
@click.option("--target", "-t", help="The target, when the file does not tell it.")
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="Fail unless this package is installed: NAME, NAME-VERSION or NAME-VERSION-RELEASE.",
)
@base_option
@json_option
def verify(
    artifact: Path,
    spec: str | None,
    *,
    target: str | None,
    packages: tuple[str, ...],
    base: str | None,
    as_json: bool,
) -> None:
    """Prove a finished file: its container is sound, and it is what the spec says.

    The file is opened afresh; every digest of its container is checked. An ISO is read by
    pycdlib, too: both readers must see the same names, sizes, places and boot entries.
    When the spec was edited since the build, what differs is named.
    """
    request = None
    if spec is not None:
        read = read_spec(spec, quiet=True, base=base)
        request = question(read, target_of(artifact, read, target))
    verdict = api.verify(artifact, request, packages=packages, progress=reporter())
    _warn_of(verdict, artifact, request)
    held = ""
    if verdict.is_compared:
        held = f", and all {verdict.steps} changes of the plan are in it"
    elif spec is not None:
        held = "; what was drawn for it cannot be worked out again, so its payload was not compared"
    held += f"; since the build the spec changed: {verdict.edited}" if verdict.edited else ""
    write_result(
        "verify",
        {
            "artifact": str(artifact),
            "kind": verdict.kind,
            "steps": verdict.steps,
            "leaks": [leak.message for leak in verdict.leaks],
        },
        as_json=as_json,
        text=f"{artifact}: a sound {verdict.kind}{held}\n",
    )


def _warn_of(verdict: "Verdict", artifact: Path, request: Request | None) -> None:
    """Say where secrets stand outside of their place."""
    found = leaks_of(verdict.leaks, artifact.name)
    warn(problem for problem in found if request is None or request.spec.heeds(problem))
