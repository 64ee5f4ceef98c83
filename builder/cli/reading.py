"""Specs as the commands name them."""

from builder.cli.options import base_of, find_spec, warn
from builder.errors import Diagnostic
from builder.reading import load_checked
from builder.spec import Spec


def read_spec(name: str, *, quiet: bool = False, base: str | None = None) -> Spec:
    """Read a spec and check it by every rule; warnings are shown.

    Args:
        name: As the command line has it.
        quiet: Whether warnings are kept back.
        base: What ``--base`` has.

    Raises:
        SpecError: with everything found wrong.
    """
    spec, problems = read_checked(name, base)
    if not quiet:
        warn(problems)
    return spec


def read_checked(name: str, base: str | None = None) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """Return a spec, and what the rules warn of.

    Raises:
        SpecError: with everything found wrong.
    """
    return load_checked(find_spec(name), base_of(base))
