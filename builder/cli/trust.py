"""The option ``--trust-first``, and what is done about bases without a published digest."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from builder.cli.options import reporter
from builder.errors import UsageError
from builder.lock import NAME
from builder.spec import CatalogBase, Spec, UrlBase
from builder.targets import Target

_Command = TypeVar("_Command", bound=Callable[..., Any])


def trust_option(command: _Command) -> _Command:
    """Add ``--trust-first``."""
    text = "Trust a base without a published digest when it is first seen, and record it."
    return click.option("--trust-first", is_flag=True, help=text)(command)


def say_trusted(
    chosen: Iterable[tuple[Spec, list[Target]]], *, trust_first: bool, offline: bool
) -> None:
    """Trust the bases that have no digest yet, and say so; nothing is done when all have one.

    Raises:
        UsageError: nobody said that they may be trusted, and nobody watches; nothing was fetched.
        FetchError: one of them cannot be fetched.
    """
    work = [(spec, targets) for spec, targets in chosen if _may_lack_digest(spec)]
    if not work:
        return
    from builder.cache import Cache
    from builder.trust import find_untrusted, trust

    untrusted = [(spec.path.parent, find_untrusted(spec, targets)) for spec, targets in work]
    names = dict.fromkeys(source.filename for _, found in untrusted for source in found.values())
    if names and not (trust_first or sys.stderr.isatty()):
        raise _refusal(list(names))
    for directory, found in untrusted:
        for each in trust(found, directory, Cache(), reporter(), offline=offline):
            sys.stderr.write(f"{each}\n")


def _may_lack_digest(spec: Spec) -> bool:
    """Tell whether a base is one that is downloaded."""
    return isinstance(spec.base, CatalogBase | UrlBase)


def _refusal(names: list[str]) -> UsageError:
    """Return the error for bases that nobody may trust."""
    return UsageError(
        f"{', '.join(names)}: no digest was published, so nothing tells the real file from another",
        code="BASE011",
        hint="run this on a terminal, or with --trust-first: the first download is trusted then, "
        f"its sha256 is said and recorded in {NAME} beside the spec, and every later build is held "
        "to it",
    )
