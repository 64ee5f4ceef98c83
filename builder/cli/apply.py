"""The command ``apply``: applies a spec to a root directory."""

from pathlib import Path

import click

from builder.cli.answers import write_result
from builder.cli.options import (
    PATH,
    chosen_targets,
    json_option,
    question,
    reporter,
)
from builder.cli.reading import read_spec
from builder.errors import UsageError
from builder.printable import printable


@click.command()
@click.argument("spec")
@click.option("--root", "folder", type=PATH, required=True, help="Root directory to change.")
@click.option("--target", "-t", help="Target to apply, when the spec names several.")
@click.option(
    "--check", "only_check", is_flag=True, help="Change nothing; exit with 1 if changes are needed."
)
@json_option
def apply(
    spec: str,
    *,
    folder: Path,
    target: str | None,
    only_check: bool,
    as_json: bool,
) -> int:
    """Apply a spec to a root directory, such as a chroot or a mounted disk. Needs root.

    Nothing is changed when a part of the spec does not apply. Applying is idempotent. The
    release is read from the root directory; the base of the spec is ignored.
    """
    from builder.application import apply_to_folder
    from builder.cache import Cache

    read = read_spec(spec)
    targets = chosen_targets(read, (target,) if target else ())
    if len(targets) != 1:
        names = ", ".join(each.name for each in targets)
        raise UsageError(f"the spec has the targets {names}", hint="name one with --target")
    tools = (Cache(), reporter())
    found = apply_to_folder(question(read, targets[0]), folder, tools, only_check=only_check)
    lines = [op.sentence() for op in found]
    text = "".join(f"{printable(line)}\n" for line in lines)
    write_result("apply", {"operations": lines}, as_json=as_json, text=text)
    return int(only_check and bool(found))
