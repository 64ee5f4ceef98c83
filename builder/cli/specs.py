"""The commands about a spec: ``check``, ``plan`` and ``init``."""

import sys
from pathlib import Path

import click

from builder.build import prepare
from builder.cli.options import (
    PATH,
    base_option,
    chosen_targets,
    find_spec,
    json_option,
    question,
    read_checked,
    read_spec,
    target_option,
    warn,
    write_result,
)
from builder.cli.plan_text import format_plan, image_rows
from builder.cli.report import show_problems
from builder.errors import BuilderError, Problem, Severity, SpecError, UnsupportedError, UsageError
from builder.plan import tolerate
from builder.spec import Spec
from builder.targets import Target

_SECRETS = frozenset({"SEC002", "SEC003"})
"""Codes of secrets that are not at hand: whoever checks a spec need not have them."""


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC…")
@base_option
@click.option("--strict", is_flag=True, help="Fail for warnings, too.")
@json_option
def check(specs: tuple[str, ...], base: str | None, *, strict: bool, as_json: bool) -> int:
    """Report every problem of the specs: no network, no root, no build, no secrets.

    A secret that is not there is a warning here, and an error of `build`.
    """
    rows: list[dict[str, object]] = []
    code = 0
    for name in specs:
        problems, stopped = _problems_of(name, base)
        warned = any(problem.code not in _SECRETS for problem in problems)
        code = code or stopped or (SpecError.exit_code if strict and warned else 0)
        rows += [_row(problem) for problem in problems]
        if not as_json:
            show_problems(problems)
            sys.stderr.write(f"{find_spec(name)}: {_count(problems)}\n")
    if as_json:
        write_result(rows, as_json=True, text="")
    return code


@click.command()
@click.argument("spec")
@target_option
@base_option
@json_option
def plan(spec: str, targets: tuple[str, ...], base: str | None, *, as_json: bool) -> None:
    """Show what a spec would do: each change, its reason and its place in the spec."""
    read = read_spec(spec, base=base)
    results = []
    text = ""
    for target in chosen_targets(read, targets):
        request = question(read, target)
        made, origin = prepare(request)
        warn(made.warnings)
        results.append(
            {
                "schema": "photon-builder/plan/v1",
                "target": target.name,
                "artifact": str(request.artifact),
                "base": origin.text,
                "digest": made.digest,
                "downloads": [d.url for _, d in made.downloads()],
                "images": image_rows(read),
                "steps": made.rows(),
            }
        )
        text += format_plan(request, made, origin)
    write_result(results, as_json=as_json, text=text)


@click.command()
@click.argument("path", type=PATH, default=Path("specs/my-photon.yaml"))
@click.option("--target", "-t", default="ova", help="What it should build [ova].")
@click.option("--force", "-f", is_flag=True, help="Replace an existing file.")
def init(path: Path, target: str, *, force: bool) -> None:
    """Write a commented spec to start from."""
    from builder.artifact import write_beside
    from builder.scaffold import make_spec_text

    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="choose another name, or --force")
    text = make_spec_text(path.stem, target, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(path, text)
    write_result({}, as_json=False, text=f"{path}\n")


def _problems_of(name: str, base: str | None) -> tuple[tuple[Problem, ...], int]:
    """Return everything found in one spec, and the exit code for it."""
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
        return (_unplaced(error),), error.exit_code
    return tuple(found), code


def _planned(spec: Spec, target: Target) -> tuple[tuple[Problem, ...], int]:
    """Return what the plan for a target warns of, or what the target refuses; and the exit code."""
    try:
        made, _ = prepare(question(spec, target), _SECRETS)
    except UnsupportedError as error:
        return error.problems or (_unplaced(error),), error.exit_code
    except SpecError as error:
        return tuple(tolerate(error.problems, _SECRETS)), error.exit_code
    return made.warnings, 0


def _unplaced(error: BuilderError) -> Problem:
    """Return an error that has no place in a file as a problem."""
    return Problem(str(error), error.code or type(error).__name__, error.hint)


def _row(problem: Problem) -> dict[str, object]:
    """Return a problem as plain data."""
    place = problem.place
    return {
        "code": problem.code,
        "severity": str(problem.severity),
        "message": problem.message,
        "hint": problem.hint,
        "file": str(place.file) if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }


def _count(problems: tuple[Problem, ...]) -> str:
    """Say how many problems there are of each kind."""
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    shown = [
        f"{number} {kind}{'s' * (number != 1)}"
        for number, kind in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    return " and ".join(shown) or "no problems"
