"""The commands ``targets``, ``catalog``, ``schema`` and ``explain``."""

from collections.abc import Iterator

import click

from builder.addresses import shown
from builder.catalog import Source, list_artifacts
from builder.cli.answers import write_raw, write_result
from builder.cli.options import json_option
from builder.targets import Group, Target, discover


@click.command()
@click.option("--names", is_flag=True, help="Print the names only, one per line.")
@json_option
def targets(*, names: bool, as_json: bool) -> None:
    """List the targets that can be built, and groups of targets."""
    entries = sorted(discover().values(), key=lambda entry: entry.name)
    rows = [
        {
            "name": entry.name,
            "summary": entry.summary,
            "members": list(entry.members) if isinstance(entry, Group) else [],
            "left_out": dict(entry.left_out) if isinstance(entry, Group) else {},
        }
        for entry in entries
    ]
    wide = "".join(line for entry in entries for line in _target_lines(entry))
    short = "".join(f"{entry.name}\n" for entry in entries)
    write_result("targets", {"targets": rows}, as_json=as_json, text=short if names else wide)


@click.command()
@click.argument("release", required=False)
@click.option("--target", "-t", help="List only artifacts of this target.")
@json_option
def catalog(release: str | None, *, target: str | None, as_json: bool) -> None:
    """List the artifacts that Photon published, with their published digests."""
    found = list(list_artifacts(release, target))
    rows = [
        {
            "release": source.release,
            "revision": source.revision,
            "arch": source.arch,
            "target": source.target,
            "file": source.filename,
            "digests": dict(source.digests),
            "urls": [shown(url) for url in source.urls],
        }
        for source in found
    ]
    text = "".join(map(_format_source, found))
    write_result("catalog", {"files": rows}, as_json=as_json, text=text)


@click.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors."""
    from builder import features
    from builder.schema import spec_schema

    write_raw(spec_schema(features.discover(), discover()))


@click.command()
@click.argument("code")
@json_option
def explain(code: str, *, as_json: bool) -> None:
    """Explain a diagnostic code, such as NET003."""
    from builder import rules

    rule = rules.explain(code)
    row = {
        "code": rule.code,
        "severity": str(rule.severity),
        "summary": rule.summary,
        "explanation": rule.explanation,
    }
    text = f"{rule.code} ({rule.severity}): {rule.summary}\n\n{rule.explanation}\n"
    write_result("explain", row, as_json=as_json, text=text)


def _target_lines(entry: Target | Group) -> Iterator[str]:
    yield f"{entry.name:<16} {entry.summary}\n"
    if isinstance(entry, Group):
        yield f"{'':<16}   {', '.join(entry.members)}\n"
        for name, reason in entry.left_out.items():
            yield f"{'':<16}   without {name}: {reason}\n"


def _format_source(source: Source) -> str:
    """Return a published artifact as text."""
    where = f"{source.release} {source.revision:<14} {source.target:<12} {source.arch:<8}"
    digests = "".join(f"    {name} {value}\n" for name, value in sorted(source.digests.items()))
    return f"{where} {source.filename}\n" + (digests or "    no published digest\n")
