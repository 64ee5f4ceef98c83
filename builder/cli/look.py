"""The commands that look into files: ``inspect``, ``ls``, ``cat``, ``diff``, ``verify``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.answers import write_result
from builder.cli.inspect_text import inspect_lines, made_by
from builder.cli.listing import names_of, row_of, shown
from builder.cli.options import (
    PATH,
    base_option,
    json_option,
    question,
    read_spec,
    reporter,
    target_of,
)
from builder.compare import compare
from builder.engine.tree import Tree, resolve
from builder.errors import GuestError, UsageError
from builder.formats.filesystem import Kind, Node
from builder.guestpath import GuestPath, guest, join
from builder.images import describe, open_image
from builder.printable import printable

if TYPE_CHECKING:
    from builder.build import Request
    from builder.job import Wanted

_LATEST = 1 << 36


@click.command()
@click.argument("artifact", type=PATH)
@json_option
def inspect(artifact: Path, *, as_json: bool) -> None:
    """Say what an artifact is: release, hardware, partitions, and what was put into it.

    What was put in is read from the provenance file beside it.
    """
    from builder.artifact import read_provenance

    with open_image(artifact) as image:
        found = describe(image)
    found["made_by"] = made_by(read_provenance(artifact), artifact)
    text = "".join(f"{printable(line)}\n" for line in inspect_lines(artifact, found))
    write_result("inspect", found, as_json=as_json, text=text)


@click.command("ls")
@click.argument("artifact", type=PATH)
@click.argument("path", default="/")
@click.option("--recursive", "-R", is_flag=True, help="Go into directories.")
@json_option
def list_directory(artifact: Path, path: str, *, recursive: bool, as_json: bool) -> None:
    """List a file or a directory inside an artifact as `ls -l` does, without root.

    Owners have the names that the image's own accounts give them.
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
@json_option
def show_differences(a: Path, b: Path, *, as_json: bool) -> int:
    """Compare the trees inside two artifacts; exits with 1 when they differ."""
    with open_image(a) as first, open_image(b) as second:
        found = [row._asdict() for row in compare(first.root(), second.root())]
    text = "".join(
        f"{row['sign']} {printable(row['path'])}{_because(row['what'])}\n" for row in found
    )
    write_result("diff", {"differences": found}, as_json=as_json, text=text)
    return 1 if found else 0


@click.command()
@click.argument("artifact", type=PATH)
@click.argument("spec", required=False)
@click.option("--target", "-t", help="The target, when the file does not tell it.")
@base_option
@json_option
def verify(
    artifact: Path, spec: str | None, *, target: str | None, base: str | None, as_json: bool
) -> None:
    """Prove a finished file: its container is sound, and it is what the spec says.

    The file is opened afresh; every digest of its container is checked. An ISO is read by
    pycdlib, too: both readers must see the same names, sizes, places and boot entries.
    """
    from builder import verify as proofs
    from builder.artifact import read_provenance

    wanted, work_out = None, None
    told = read_provenance(artifact).get("timestamp")
    timestamp = _time_of(artifact)
    if isinstance(told, int) and 0 < told < _LATEST:
        timestamp = told
    if spec is not None:
        read = read_spec(spec, quiet=True, base=base)
        request = question(read, target_of(artifact, read, target))
        wanted = _wanted(request, artifact, timestamp)
        work_out = request.target.work_out
    proof = proofs.verify(artifact, wanted, work_out, full=True)
    held = f", and all {proof.steps} changes of the plan are in it" if wanted is not None else ""
    if spec is not None and wanted is None:
        held = "; what was drawn for it cannot be worked out again, so its payload was not compared"
    text = f"{artifact}: a sound {proof.kind}{held}\n"
    value = {"artifact": str(artifact), "kind": proof.kind, "steps": proof.steps}
    write_result("verify", value, as_json=as_json, text=text)


def _time_of(artifact: Path) -> int:
    """Return the time stamp of a file, which a build sets to that of all that it writes."""
    return int(artifact.stat().st_mtime) if artifact.exists() else 0


def _wanted(request: "Request", artifact: Path, timestamp: int) -> "Wanted | None":
    """Return what an artifact should hold, ``None`` when nobody can tell any more.

    A payload can be compared as a whole only: everything in it has to be known, what was
    downloaded too, and nothing in it may have been drawn.
    """
    from builder.build import prepare, wanted_of
    from builder.cache import Cache
    from builder.inputs import with_downloads

    plan, _ = prepare(request)
    known = plan.without_drawn()
    if request.target.work_out is not None:
        if known.steps != plan.steps:
            return None
        known = with_downloads(known, artifact, Cache(), reporter(), offline=False)
    return wanted_of(request, known, timestamp)


def _inside(root: Tree, path: str) -> GuestPath:
    """Return a path of the image as the guest would find it."""
    try:
        found = resolve(root, guest(path if path.startswith("/") else f"/{path}"))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if root.lstat(found) is None:
        raise GuestError(f"{path}: there is no such file in the image")
    return found


def _walk(root: Tree, path: GuestPath, *, deep: bool) -> Iterator[tuple[GuestPath, Node]]:
    """Yield a file, or what is in a directory."""
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
    """Return what differs in brackets."""
    return f" ({printable(text)})" if text else ""
