"""Arguments that several commands share."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder import progress
from builder.cli.events import EventProgress, emit_problems
from builder.cli.report import show_problems
from builder.errors import Diagnostic, UsageError
from builder.facts import releases
from builder.selection import choose_targets, targets_of
from builder.spec import Base, FileBase, SampleBase, Spec
from builder.targets import Target

if TYPE_CHECKING:
    from builder.build import Request

_SPECS = Path("specs")
_Command = TypeVar("_Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def base_option(command: _Command) -> _Command:
    """Add ``--base``."""
    text = (
        "Use this base instead of the spec's: a file, or a sample base of the newest release "
        "(`sample`) or of another one (`sample:4.0`)."
    )
    return click.option("--base", metavar="sample[:RELEASE]|FILE", help=text)(command)


def target_option(command: _Command) -> _Command:
    """Add ``--target``, which may be repeated."""
    text = "Select a target of the spec; may be repeated."
    return click.option("--target", "-t", "targets", multiple=True, help=text)(command)


def reporter(spec: str = "", target: str = "") -> progress.Progress:
    """Return the progress display for standard error, which also writes events.

    Args:
        spec: Name of the spec, when there are several.
        target: Name of its target.
    """
    shown = progress.on(sys.stderr)
    named = progress.Named(shown, f"{spec} ({target})") if spec else shown
    return EventProgress(named, (spec, target))


def find_spec(name: str) -> Path:
    """Return the path of a spec by path or by its name in ``specs/``."""
    path = Path(name)
    candidates = [path, _SPECS / name, _SPECS / f"{name}.yaml"]
    return next((candidate for candidate in candidates if candidate.exists()), path)


def warn(problems: Iterable[Diagnostic]) -> None:
    """Print warnings, each once per run."""
    shown = _shown()
    new = [problem for problem in dict.fromkeys(problems) if problem not in shown]
    shown.update(new)
    emit_problems(new)
    show_problems(new)


def print_once(text: str) -> None:
    """Print a notice, once per run."""
    shown = _shown()
    if text not in shown:
        shown.add(text)
        sys.stderr.write(f"{text}\n")


def _shown() -> set[object]:
    """Return the texts that this run has already printed."""
    context = click.get_current_context(silent=True)
    shown: set[object] = context.meta.setdefault(__name__, set()) if context else set()
    return shown


def chosen_targets(spec: Spec, wanted: tuple[str, ...]) -> list[Target]:
    """Return the targets to build, groups expanded, each once; print omitted members.

    Raises:
        UsageError: a target is unknown, or no member of a group can be built.
    """
    choice = choose_targets(spec, wanted)
    for omission in choice.omitted:
        print_once(f"{spec.path.name}: {omission}")
    return targets_of(choice)


def base_of(text: str | None) -> Base | None:
    """Return the base that ``--base`` names, ``None`` when it was not given."""
    if not text:
        return None
    word, colon, release = text.partition(":")
    if word != "sample" or Path(text).exists():
        return FileBase(Path(text), {})
    if colon and release not in releases():
        raise UsageError(
            f"--base: {text!r} is not a valid sample: release {release!r} is not known",
            hint=f"known releases: {', '.join(releases())}",
        )
    return SampleBase(release)


def default_output() -> Path:
    """Return the default directory for artifacts."""
    return Path(os.environ.get("PHOTON_BUILDER_OUTPUT") or "output")


def question(spec: Spec, target: Target) -> "Request":
    """Return a request for commands that build nothing."""
    from builder.api import make_request

    return make_request(spec, target, default_output())
