"""Reads specs that commands name."""

from builder.cli.options import base_of, find_spec, warn
from builder.errors import Diagnostic
from builder.reading import load_checked
from builder.spec import Spec


def read_spec(name: str, *, quiet: bool = False, base: str | None = None) -> Spec:
    """Read a spec, check it by every rule, and print warnings.

    Args:
        name: Path or name, as on the command line.
        quiet: Do not print warnings.
        base: The base that ``--base`` names.

    Raises:
        SpecError: the spec has errors; all of them are listed.
    """
    spec, problems = read_checked(name, base)
    if not quiet:
        warn(problems)
    return spec


def read_checked(name: str, base: str | None = None) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """Return a spec and its warnings.

    Raises:
        SpecError: the spec has errors; all of them are listed.
    """
    return load_checked(find_spec(name), base_of(base))
