"""The command ``verify``: is an artifact valid, and does it match its spec."""

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
@click.option("--target", "-t", help="Target of the artifact, when it cannot be detected.")
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
    """Check that an artifact is valid and contains every change of its spec.

    Checks every digest of its container. An ISO is also read by pycdlib: both readers must
    find the same names, sizes, extents and boot entries. If the spec was edited since the
    build, the differences are listed.
    """
    request = None
    if spec is not None:
        read = read_spec(spec, quiet=True, base=base)
        request = question(read, target_of(artifact, read, target))
    verdict = api.verify(artifact, request, packages=packages, progress=reporter())
    _warn_of(verdict, artifact, request)
    held = ""
    if verdict.is_compared:
        held = f"; all {verdict.steps} planned changes are present"
    elif spec is not None:
        held = "; the payload was not compared, because its random values cannot be reproduced"
    held += f"; the spec changed since the build: {verdict.edited}" if verdict.edited else ""
    write_result(
        "verify",
        {
            "artifact": str(artifact),
            "kind": verdict.kind,
            "steps": verdict.steps,
            "leaks": [leak.message for leak in verdict.leaks],
        },
        as_json=as_json,
        text=f"{artifact}: valid {verdict.kind}{held}\n",
    )


def _warn_of(verdict: "Verdict", artifact: Path, request: Request | None) -> None:
    """Warn of secrets in files that are not meant for them."""
    found = leaks_of(verdict.leaks, artifact.name)
    warn(problem for problem in found if request is None or request.spec.reports(problem))
