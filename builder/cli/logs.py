"""``-v`` and ``--debug`` of every command: what the program does beside its results."""

import os

import click

from builder import log

VARIABLE = "PHOTON_BUILDER_LOG"
"""``info`` or ``debug``: as ``-v`` or ``--debug``, for runs that nobody types."""
_OPTIONS = {
    "info": (["--verbose", "-v"], "Say what is skipped and why, and which programs run."),
    "debug": (["--debug"], "Say every request to the network, too."),
}


def with_log_options(command: click.Command) -> click.Command:
    """Give a command ``--verbose`` and ``--debug``, where it has no option of that name."""
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
    """Show records as the environment says."""
    level = os.environ.get(VARIABLE, "").lower()
    if level in _OPTIONS:
        log.configure(level)


def _show(context: click.Context, option: click.Parameter, given: object) -> None:
    """Show records of a level; of both options the one with more counts."""
    del option
    if given and context.meta.get(VARIABLE) != "debug":
        context.meta[VARIABLE] = str(given)
        log.configure(str(given))
