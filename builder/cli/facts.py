"""The command ``facts``: prints the known facts of the published bases."""

from collections.abc import Iterator
from typing import Any

import click

from builder.cli.answers import write_result
from builder.cli.options import json_option
from builder.errors import UsageError
from builder.facts import facts_of, revisions
from builder.facts.summary import summary
from builder.targets import Target, discover

_BOARD_ARCH = "aarch64"
_USUAL_ARCH = "x86_64"


@click.command()
@click.argument("release", required=False)
@click.option(
    "--target",
    "-t",
    default="ova",
    show_default=True,
    help="Show the image that this target starts from.",
)
@json_option
def facts(release: str | None, *, target: str, as_json: bool) -> None:
    """Show known facts of Photon's bases: kernels, docker, packages, firewall, installer.

    `check` and `plan` use the same tables. Every row names its source; the tables are in
    builder/data/facts.
    """
    known = list(dict.fromkeys(str(row["release"]) for row in revisions()))
    if release is not None and release not in known:
        raise UsageError(
            f"unknown Photon release {release!r}; known releases: {', '.join(known)}",
            hint=f"photon-builder facts {known[-1]}",
        )
    rows = [_row(row, _target(target)) for row in revisions(release or "")]
    text = "\n".join("\n".join(_lines(row)) + "\n" for row in rows)
    write_result("facts", {"bases": rows}, as_json=as_json, text=text)


def _target(name: str) -> Target:
    """Return a target that starts from an image that the tables have."""
    known = {
        entry.name: entry
        for entry in discover().values()
        if isinstance(entry, Target) and entry.image
    }
    if name not in known:
        raise UsageError(
            f"no facts for target {name!r}; targets with facts: {', '.join(known)}",
            hint="photon-builder facts --target ova",
        )
    return known[name]


def _row(row: Any, target: Target) -> dict[str, Any]:  # noqa: ANN401 - a row of a table
    """Return what is known of one revision."""
    found = facts_of(
        row["release"],
        revision=row["names"][0],
        image=target.image,
        arch=_BOARD_ARCH if target.is_board else _USUAL_ARCH,
    )
    head = {"name": found.text, "commit": row["commits"][0], "committed": row["committed"]}
    return {**head, "target": target.name, **summary(found)}


def _lines(row: dict[str, Any]) -> Iterator[str]:
    """Yield the facts of a revision as lines of text."""
    yield f"{row['name']} ({row['commit'][:9]}, {row['committed']}), {row['target']}, {row['arch']}"
    yield _line("packages", _pairs(row["versions"]))
    yield _line("lacks", ", ".join(row["lacks"]))
    for flavour, kernel in row["kernels"].items():
        yield _line(
            flavour, f"{kernel['version']}; lacks {', '.join(kernel['lacks']) or 'nothing'}"
        )
    yield _line("docker", _pairs(row["docker"]) if row["docker"] else "not in the image")
    yield _line("tdnf", ", ".join(row["packages"]["repositories"]))
    yield _line("", _pairs({k: v for k, v in row["packages"].items() if k != "repositories"}))
    yield _line("firewall", _pairs(row["firewall"]))
    yield _line("cloud-init", " ".join(row["cloud-init"]) if row["cloud-init"] else "not there")
    yield _line(
        "installer", f"{row['installer']['kind']}; {' '.join(row['installer']['filesystems'])}"
    )


def _line(name: str, text: str) -> str:
    return f"  {name:<13}{text}"


def _pairs(values: dict[str, Any]) -> str:
    """Return names and values in one line."""
    words = {True: "yes", False: "no"}
    return ", ".join(f"{name} {words.get(value, value)}" for name, value in values.items())
