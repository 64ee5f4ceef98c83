"""The option ``--trust-first``: trust on first use for bases without a published digest."""

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
    text = "Trust a base without a published digest on first download, and record its digest."
    return click.option("--trust-first", is_flag=True, help=text)(command)


def trust_bases(
    chosen: Iterable[tuple[Spec, list[Target]]], *, trust_first: bool, offline: bool
) -> None:
    """Trust and record bases without a digest, with a notice; do nothing when all have one.

    Raises:
        UsageError: neither on a terminal nor with ``--trust-first``; nothing was downloaded.
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
    """Return whether a base is one that is downloaded."""
    return isinstance(spec.base, CatalogBase | UrlBase)


def _refusal(names: list[str]) -> UsageError:
    """Return the error for bases without a digest that may not be trusted."""
    return UsageError(
        f"{', '.join(names)}: no published digest, so it cannot be verified",
        code="BASE011",
        hint="run this on a terminal or with --trust-first to trust the first download: its "
        f"sha256 is printed and recorded in {NAME} beside the spec, and later builds require it",
    )
