"""Colour and width of text output: only on a terminal, and unless NO_COLOR forbids it."""

import os
import shutil
from typing import TextIO

import click

CODES = {
    "error": "31",
    "warning": "33",
    "hint": "36",
    "note": "2",
    "title": "1",
    "added": "32",
    "changed": "33",
    "removed": "31",
    "faint": "2",
}
"""Kind of text to its colour, as SGR parameters of ECMA-48."""


def is_coloured(stream: TextIO) -> bool:
    """Return whether a stream takes colour: a terminal, unless NO_COLOR or TERM=dumb say no."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not refused and stream.isatty()


def paint(text: str, kind: str, stream: TextIO) -> str:
    """Return a text in the colour of its kind, where the stream takes colour."""
    return f"\x1b[{CODES[kind]}m{text}\x1b[0m" if text and is_coloured(stream) else text


def width_of(stream: TextIO) -> int | None:
    """Return the width of the terminal in columns; ``None`` when the output is not a terminal."""
    return max(shutil.get_terminal_size().columns, 40) if stream.isatty() else None


def with_colour_option(command: click.Command) -> click.Command:
    """Give a command ``--no-color``."""
    if not any("--no-color" in option.opts for option in command.params):
        command.params.append(
            click.Option(
                ["--no-color"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_refuse_colour,
                help="Disable colour, as NO_COLOR=1 does.",
            )
        )
    return command


def _refuse_colour(context: click.Context, option: click.Parameter, given: object) -> None:
    """Disable colour for this run."""
    del context, option
    if given:
        os.environ["NO_COLOR"] = "1"
