"""The commands about a spec: ``check``, ``plan`` and ``init``."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict, Unpack

import click

from builder.artifact import read_provenance
from builder.build import prepare
from builder.cli.answers import rows_of, write_result
from builder.cli.colour import paint, width_of
from builder.cli.options import (
    PATH,
    base_option,
    chosen_targets,
    find_spec,
    json_option,
    question,
    target_option,
    warn,
)
from builder.cli.plan_text import Line, compare_with_last, fit, image_rows, plan_lines
from builder.cli.reading import read_checked, read_spec
from builder.cli.report import show_problems
from builder.errors import (
    BuilderError,
    Diagnostic,
    SpecError,
    UnsupportedError,
    UsageError,
    problems_of,
)
from builder.plan import tolerate
from builder.spec import Spec
from builder.structs import replace
from builder.targets import Target

_SECRETS = frozenset({"SEC002", "SEC003"})
"""Codes of missing secrets: `check` only warns of them."""


class Planning(TypedDict):
    """The options of ``plan``."""

    targets: tuple[str, ...]
    base: str | None
    output: Path | None
    verbose: bool
    as_json: bool


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC…")
@base_option
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@json_option
def check(specs: tuple[str, ...], base: str | None, *, strict: bool, as_json: bool) -> int:
    """Report every problem in the specs; needs no network, root, build or secrets.

    A missing secret is a warning here, and an error in `build`.
    """
    rows: list[dict[str, object]] = []
    code = 0
    for name in specs:
        problems, stopped = _problems_of(name, base)
        warned = any(problem.code not in _SECRETS for problem in problems)
        code = code or stopped or (SpecError.exit_code if strict and warned else 0)
        rows += rows_of(problems)
        if not as_json:
            show_problems(problems)
            sys.stderr.write(f"{find_spec(name)}: {_count(problems)}\n")
    write_result("check", {"exit_code": code, "problems": rows}, as_json=as_json, text="")
    return code


@click.command()
@click.argument("spec")
@target_option
@base_option
@click.option("--output", "-o", type=PATH, help="Directory of the artifacts [output].")
@click.option("--verbose", "-v", is_flag=True, help="List changes that are made by default, too.")
@json_option
def plan(spec: str, **choices: Unpack[Planning]) -> None:
    """Show the changes that a build would make, each with its reason and place in the spec.

    Compared with the last build of the artifact, + marks new changes, ~ modified ones and
    - those that are gone.
    """
    read = read_spec(spec, base=choices["base"])
    results = []
    text = ""
    for target in chosen_targets(read, choices["targets"]):
        request = question(read, target)
        request = replace(request, output=choices["output"] or request.output)
        made, origin = prepare(request)
        warn(made.warnings)
        before = compare_with_last(read_provenance(request.artifact), request, made, origin)
        results.append(
            {
                "target": target.name,
                "artifact": str(request.artifact),
                "base": origin.text,
                "digest": made.digest,
                "downloads": [d.url for _, d in made.downloads()],
                "images": image_rows(read),
                "plan": made.plain(),
                "since_last_build": before.difference and before.difference.plain(),
            }
        )
        text += _shown(plan_lines(request, made, origin, before, verbose=choices["verbose"]))
    write_result("plans", {"plans": results}, as_json=choices["as_json"], text=text)


def _shown(lines: Iterable[Line]) -> str:
    """Return lines, cut to width and coloured if standard output is a terminal."""
    width = width_of(sys.stdout)
    fitted = ((fit(line, width), line.kind) for line in lines)
    return "".join(f"{paint(text, kind, sys.stdout) if kind else text}\n" for text, kind in fitted)


@click.command()
@click.argument("path", type=PATH, default=Path("specs/my-photon.yaml"))
@click.option("--target", "-t", default="ova", help="Target to build [ova].")
@click.option("--force", "-f", is_flag=True, help="Replace an existing file.")
@json_option
def init(path: Path, target: str, *, force: bool, as_json: bool) -> None:
    """Write a commented spec to start from."""
    from builder.artifact import write_beside
    from builder.scaffold import make_spec_text

    if path.exists() and not force:
        raise UsageError(f"{path} already exists", hint="choose another name, or use --force")
    text = make_spec_text(path.stem, target, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(path, text)
    write_result("init", {"spec": str(path)}, as_json=as_json, text=f"{path}\n")


def _problems_of(name: str, base: str | None) -> tuple[tuple[Diagnostic, ...], int]:
    """Return the problems of one spec, and its exit code."""
    try:
        spec, warned = read_checked(name, base)
        found = list(warned)
        code = 0
        for target in chosen_targets(spec, ()):
            planned, refused = _planned(spec, target)
            found += [problem for problem in planned if problem not in found]
            code = code or refused
    except SpecError as error:
        return tuple(tolerate(error.problems, _SECRETS)), error.exit_code
    except BuilderError as error:
        return problems_of(error), error.exit_code
    return tuple(found), code


def _planned(spec: Spec, target: Target) -> tuple[tuple[Diagnostic, ...], int]:
    """Return warnings and errors of planning for a target, and the exit code."""
    try:
        made, _ = prepare(question(spec, target), _SECRETS)
    except UnsupportedError as error:
        return problems_of(error), error.exit_code
    except SpecError as error:
        return tuple(tolerate(error.problems, _SECRETS)), error.exit_code
    return made.warnings, 0


def _count(problems: tuple[Diagnostic, ...]) -> str:
    """Return the number of errors and warnings as text."""
    errors = sum(problem.is_error for problem in problems)
    warnings = len(problems) - errors
    shown = [
        f"{number} {kind}{'s' * (number != 1)}"
        for number, kind in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    return " and ".join(shown) or "no problems"
