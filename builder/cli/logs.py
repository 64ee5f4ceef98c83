"""``-v`` and ``--debug`` of every command: log records on standard error."""

import os

import click

from builder import log

VARIABLE = "PHOTON_BUILDER_LOG"
"""``info`` or ``debug``: as ``-v`` or ``--debug``, for unattended runs."""
_OPTIONS = {
    "info": (["--verbose", "-v"], "Print what is skipped and why, and which programs run."),
    "debug": (["--debug"], "Print every network request, too."),
}


def with_log_options(command: click.Command) -> click.Command:
    """Add ``--verbose`` and ``--debug`` to a command that does not define them."""
    known = {name for option in command.params for name in option.opts}
    for level, (names, text) in _OPTIONS.items():
        if known.isdisjoint(names):
            command.params.append(
                click.Option(
                    names,
                    is_flag=True,
                    flag_value=level,
                    expose_value=False,
                    is_eager=True,
                    callback=_show,
                    help=text,
                )
            )
    return command


def show_as_asked() -> None:
    """Show records at the level that the environment sets."""
    level = os.environ.get(VARIABLE, "").lower()
    if level in _OPTIONS:
        log.configure(level)


def _show(context: click.Context, option: click.Parameter, given: object) -> None:
    """Show records of a level; ``--debug`` wins over ``-v``."""
    del option
    if given and context.meta.get(VARIABLE) != "debug":
        context.meta[VARIABLE] = str(given)
        log.configure(str(given))
