"""The command that makes a spec true of a folder: ``apply``."""

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
@click.option("--root", "folder", type=PATH, required=True, help="Folder of the root filesystem.")
@click.option("--target", "-t", help="What the spec is read for, when it names several targets.")
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit 1 if it would.")
@json_option
def apply(
    spec: str,
    *,
    folder: Path,
    target: str | None,
    only_check: bool,
    as_json: bool,
) -> int:
    """Make a spec true of a folder: a chroot, a mounted disk. Needs to be root.

    Nothing is touched when a part of the spec does not fit. What is done already is left alone,
    so applying twice is applying once. The folder's own base decides, not that of the spec.
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
