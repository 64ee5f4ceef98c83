"""The commands that read artifacts: ``inspect``, ``ls``, ``cat``, ``diff``."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from builder import api
from builder.cli.answers import write_result
from builder.cli.inspect_text import inspect_lines, made_by
from builder.cli.listing import names_of, row_of, shown
from builder.cli.options import (
    PATH,
    json_option,
    warn,
)
from builder.compare import PackageDifference, compare, compare_packages
from builder.engine.tree import Tree, resolve
from builder.errors import Diagnostic, FormatError, GuestError, Severity, UsageError
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath, guest, join
from builder.images import open_image
from builder.printable import printable


@click.command()
@click.argument("artifact", type=PATH)
@click.option("--packages", is_flag=True, help="List the installed packages.")
@json_option
def inspect(artifact: Path, *, packages: bool, as_json: bool) -> None:
    """Show release, hardware, partitions and changes of an artifact.

    The changes are read from the provenance file beside it.
    """
    from builder.artifact import read_provenance

    found = api.inspect(artifact, packages=packages)
    found["made_by"] = made_by(read_provenance(artifact), artifact)
    text = "".join(f"{printable(line)}\n" for line in inspect_lines(artifact, found))
    write_result("inspect", found, as_json=as_json, text=text)


@click.command("ls")
@click.argument("artifact", type=PATH)
@click.argument("path", default="/")
@click.option("--recursive", "-R", is_flag=True, help="List subdirectories recursively.")
@json_option
def list_directory(artifact: Path, path: str, *, recursive: bool, as_json: bool) -> None:
    """List a file or a directory inside an artifact as `ls -l` does, without root.

    Owners are shown by the names in the image's own passwd and group.
    """
    with open_image(artifact) as image:
        root = image.root()
        found = list(_walk(root, _inside(root, path), deep=recursive))
        names = names_of(root)
    rows = [row_of(at, node, names) for at, node in found]
    write_result("ls", {"files": rows}, as_json=as_json, text="" if as_json else shown(rows))


@click.command()
@click.argument("artifact", type=PATH)
@click.argument("path")
def cat(artifact: Path, path: str) -> None:
    """Print a file inside an artifact, without root."""
    with open_image(artifact) as image:
        root = image.root()
        for piece in root.chunks(_inside(root, path)):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@click.command("diff")
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--packages", "only_packages", is_flag=True, help="Compare packages only.")
@json_option
def show_differences(a: Path, b: Path, *, only_packages: bool, as_json: bool) -> int:
    """Compare packages and files of two artifacts; exit with 1 when they differ."""
    with open_image(a) as first, open_image(b) as second:
        roots = first.root(), second.root()
        packages = [row._asdict() for row in _package_changes(*roots, required=only_packages)]
        files = [] if only_packages else [row._asdict() for row in compare(*roots)]
    lines = [
        *(_package_line(row) for row in packages),
        *(f"{row['sign']} {printable(row['path'])}{_because(row['what'])}\n" for row in files),
    ]
    result = {"packages": packages, "differences": files}
    write_result("diff", result, as_json=as_json, text="".join(lines))
    return 1 if lines else 0


def _package_changes(first: Tree, second: Tree, *, required: bool) -> list[PackageDifference]:
    """Return how installed packages differ; a damaged database leaves the files to compare."""
    try:
        return list(compare_packages(first, second))
    except FormatError as error:
        if required:
            raise
        warn([Diagnostic(str(error), error.code, severity=Severity.WARNING)])
        return []


def _package_line(row: Mapping[str, str]) -> str:
    """Return a line such as ``upgraded package docker 20.10-1 → 24.0-2``."""
    versions = " → ".join(filter(None, (row["old"], row["new"])))
    return printable(f"{row['change']} package {row['name']}.{row['arch']} {versions}") + "\n"


def _inside(root: Tree, path: str) -> GuestPath:
    """Return a path of the image as the guest resolves it."""
    try:
        found = resolve(root, guest(path if path.startswith("/") else f"/{path}"))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if root.lstat(found) is None:
        raise GuestError(f"{path}: no such file in the image")
    return found


def _walk(root: Tree, path: GuestPath, *, deep: bool) -> Iterator[tuple[GuestPath, Node]]:
    """Yield a file, or the entries of a directory."""
    node = root.lstat(path)
    if node is None:
        return
    if node.kind is not Kind.DIRECTORY:
        yield path, node
        return
    todo = [join(path, name) for name in reversed(root.names(path))]
    while todo:
        here = todo.pop()
        found = root.lstat(here)
        if found is None:
            continue
        yield here, found
        if deep and found.kind is Kind.DIRECTORY:
            todo += [join(here, name) for name in reversed(root.names(here))]


def _because(text: str) -> str:
    """Return the differences in parentheses."""
    return f" ({printable(text)})" if text else ""
