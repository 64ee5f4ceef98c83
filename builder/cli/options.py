"""Arguments that several commands share."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder import progress
from builder.cli.report import show_problems
from builder.errors import Problem, Severity, SpecError, UsageError
from builder.lock import read_lock
from builder.spec import Base, CatalogBase, FileBase, SampleBase, Spec
from builder.targets import Group, Target

if TYPE_CHECKING:
    from builder.build import Request

_SPECS = Path("specs")
_Command = TypeVar("_Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")(command)


def base_option(command: _Command) -> _Command:
    """Add ``--base``."""
    text = "Start from this file instead of the spec's base; `sample`: from the sample base."
    return click.option("--base", metavar="sample|FILE", help=text)(command)


def target_option(command: _Command) -> _Command:
    """Add ``--target``, which may be repeated."""
    text = "Only this target of the spec; may be repeated."
    return click.option("--target", "-t", "targets", multiple=True, help=text)(command)


def write_result(value: object, *, as_json: bool, text: str) -> None:
    """Print a result: JSON, or lines for people."""
    out = json.dumps(value, indent=2, default=str) + "\n" if as_json else text
    sys.stdout.write(out)
    sys.stdout.flush()


def reporter() -> progress.Progress:
    """Return the progress display that fits standard error."""
    return progress.on(sys.stderr)


def find_spec(name: str) -> Path:
    """Return the file that a spec's name means: itself, or the one in ``specs/``."""
    path = Path(name)
    candidates = [path, _SPECS / name, _SPECS / f"{name}.yaml"]
    return next((candidate for candidate in candidates if candidate.exists()), path)


def read_spec(name: str, *, quiet: bool = False) -> Spec:
    """Read a spec and check it by every rule that needs no base; warnings are shown.

    Raises:
        SpecError: with everything found wrong.
    """
    from builder import features, rules, targets
    from builder.base import find_facts
    from builder.spec import load_spec

    known = targets.discover()
    path = find_spec(name)
    locked = read_lock(path.parent)
    spec = load_spec(path, features=features.discover(), targets=known, locked=locked)
    problems = rules.check_rules(spec, find_facts(spec, chosen_targets(spec, ()), locked))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise SpecError((*problems, *_faults_of_plan(spec, problems)))
    if not quiet:
        warn(problems)
    return spec


def _faults_of_plan(spec: Spec, known: tuple[Problem, ...]) -> Iterator[Problem]:
    """Yield what else the features find wrong with a spec that breaks a rule already."""
    from builder import features
    from builder.plan import make_plan

    try:
        found = make_plan(spec, features.discover()).warnings
    except SpecError as error:
        found = error.problems
    yield from (problem for problem in found if problem not in known)


def warn(problems: Iterable[Problem]) -> None:
    """Show what is not wrong enough to stop, each once in a run of the program."""
    context = click.get_current_context(silent=True)
    shown: set[Problem] = context.meta.setdefault(__name__, set()) if context else set()
    new = [problem for problem in dict.fromkeys(problems) if problem not in shown]
    shown.update(new)
    show_problems(new)


def chosen_targets(spec: Spec, wanted: tuple[str, ...]) -> list[Target]:
    """Return the targets to build, groups expanded, each once.

    Raises:
        UsageError: the spec has no such target.
    """
    from builder import targets

    known = targets.discover()
    names = wanted or spec.targets
    chosen: dict[str, Target] = {}
    for name in names:
        entry = known.get(name)
        if entry is None:
            raise UsageError(f"there is no target {name!r}", hint="photon-builder targets")
        for member in _members(entry, spec) if isinstance(entry, Group) else (name,):
            found = known.get(member)
            if isinstance(found, Target):
                chosen[member] = found
    return list(chosen.values())


def is_group(spec: Spec, wanted: tuple[str, ...]) -> bool:
    """Tell whether the targets to build come from a group: they are built side by side."""
    from builder import targets

    known = targets.discover()
    return any(isinstance(known.get(name), Group) for name in wanted or spec.targets)


def _members(group: Group, spec: Spec) -> tuple[str, ...]:
    """Return the members of a group that the release of the spec's base has."""
    release = spec.base.release if isinstance(spec.base, CatalogBase) else ""
    return tuple(name for name in group.members if name not in group.dropped.get(release, ()))


def base_of(text: str | None) -> Base | None:
    """Return the base that ``--base`` names, ``None`` when it was not given."""
    if not text:
        return None
    return SampleBase() if text == "sample" else FileBase(Path(text), {})


def default_output() -> Path:
    """Return where artifacts go when nothing else is said."""
    return Path(os.environ.get("PHOTON_BUILDER_OUTPUT") or "output")


def question(spec: Spec, target: Target, base: str | None = None) -> "Request":
    """Return the request of a command that builds nothing."""
    from builder.build import Request

    locked = read_lock(spec.path.parent)
    return Request(spec, target, default_output(), base_of(base), locked=locked)
