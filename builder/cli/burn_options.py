"""What the options of ``burn`` say, as values: which disk is meant, its size, its settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click

from builder.errors import UsageError
from builder.sizes import parse_label_size

if TYPE_CHECKING:
    from builder.burn.confirm import Said
    from builder.burn.safety import Permits

_SMALLEST = 10**6
"""No card is smaller than a megabyte; a size below is a computation that failed."""

Given = TypeVar("Given")


class Options(TypedDict):
    """The options of ``burn``."""

    yes: bool
    confirm: tuple[str, ...]
    expect_serial: str
    expect_size: str
    allow_fixed_disk: bool
    allow_loop: bool
    unmount: bool
    settings: tuple[str, ...]
    sha256: str
    key: Path | None
    no_signature: bool
    delta: bool
    probe: bool
    verify: bool
    blank: bool
    eject: bool
    to_file: Path | None
    as_json: bool


def something(context: click.Context, parameter: click.Parameter, value: Given) -> Given:
    """Refuse an option whose value is empty: a variable of a script that was not set.

    Raises:
        UsageError: it is given, and empty.
    """
    name = parameter.name or ""
    source = context.get_parameter_source(name)
    given = value if isinstance(value, tuple) else (value,)
    if "" in given and source is click.core.ParameterSource.COMMANDLINE:
        raise UsageError(
            f"{parameter.opts[0]}: the value is empty; wanted {parameter.metavar}",
            hint="leave the option out when there is nothing to compare with",
        )
    return value


def permits(options: Options) -> "Permits":
    """Return what the command line allows."""
    from builder.burn.safety import Permits

    return Permits(
        allow_fixed=options["allow_fixed_disk"],
        allow_loop=options["allow_loop"],
        serial=options["expect_serial"],
        size=_parse_size(options["expect_size"]),
        unmount=options["unmount"],
    )


def said_of(path: Path, options: Options) -> "Said":
    """Return what the command line says about meaning a device."""
    from builder.burn.confirm import Said

    allowed = permits(options)
    is_pinned = bool(allowed.serial) or allowed.size > 0
    return Said(path, options["yes"], is_pinned, options["confirm"])


def own_settings(settings: Sequence[str], path: Path, paths: Sequence[Path]) -> list[str]:
    """Return the settings of one card: those for it, and those for all.

    Raises:
        UsageError: a setting is for a device that is not among ``paths``.
    """
    own = []
    for setting in settings:
        name, rest = _split(setting, paths)
        if name in {None, path}:
            own.append(rest)
    return own


def _split(setting: str, paths: Sequence[Path]) -> tuple[Path | None, str]:
    """Return the device that a setting is for, ``None`` for all, and the setting.

    Names in ``/dev/disk/by-id`` hold colons of their own, so the longest one that fits counts.
    """
    if not setting.startswith("/"):
        return None, setting
    parts = setting.split(":")
    for count in range(len(parts) - 1, 0, -1):
        name = Path(":".join(parts[:count]))
        if name in paths:
            return name, ":".join(parts[count:])
    named = setting.partition("=")[0].rpartition(":")[0] or setting
    raise UsageError(
        f"--set {setting}: {named} is not among the devices that are written",
        hint=f"name it as it is given: {', '.join(map(str, paths))}",
    )


def _parse_size(text: str) -> int:
    """Return a size as it is printed on cards, zero when none is given."""
    if not text:
        return 0
    try:
        size = parse_label_size(text)
    except ValueError:
        size = 0
    if size < _SMALLEST:
        raise UsageError(
            f"--expect-size {text}: is not a valid size of a disk; wanted at least 1M, such as 32G "
            "or 29.8GiB"
        )
    return size
