"""The command ``cache`` and its subcommands."""

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cache import Cache, Entry
from builder.cli.answers import write_result
from builder.cli.options import PATH, json_option
from builder.errors import DigestMismatch

_GIGABYTE = 1_000_000_000


class _Amount(click.FloatRange):
    """A non-negative number; NaN is refused."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        return self.fail(f"{value} is not a number", param, ctx) if math.isnan(number) else number


_AMOUNT = _Amount(min=0, max=1_000_000)


@click.group()
def cache() -> None:
    """Manage the download cache."""


@cache.command("ls")
@json_option
def list_files(*, as_json: bool) -> None:
    """List the cached files, most recently used first."""
    store = Cache()
    entries = store.ls()
    total = sum(entry.size for entry in entries)
    text = "".join(map(_shown, entries))
    text += f"{len(entries)} files, {total / 1e6:.0f} MB in {store.directory}\n"
    value = {"directory": str(store.directory), "files": [_row(entry) for entry in entries]}
    write_result("cache-ls", value, as_json=as_json, text=text)


@cache.command()
@json_option
def verify(*, as_json: bool) -> int:
    """Check the digest of every cached file; damaged files are moved aside."""
    results = list(Cache().verify())
    rows = [{**_row(r.entry), "found": r.found, "moved": str(r.moved or "")} for r in results]
    text = "".join(
        f"damaged, moved to {r.moved}: {_shown(r.entry)}" if r.moved else f"ok: {_shown(r.entry)}"
        for r in results
    )
    text = text or "the cache is empty\n"
    write_result("cache-verify", {"files": rows}, as_json=as_json, text=text)
    return DigestMismatch.exit_code if any(r.moved for r in results) else 0


@cache.command()
@click.option(
    "--days", type=_AMOUNT, help="Remove files that were not used for this many days [90]."
)
@click.option(
    "--gigabytes", type=_AMOUNT, help="Remove the least recently used files until the rest fits."
)
@click.option("--all", "everything", is_flag=True, help="Remove all files.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, remove nothing.")
@json_option
def gc(
    *,
    days: float | None,
    gigabytes: float | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove downloads that were not used recently."""
    if days is None and gigabytes is None and not everything:
        days = 90
    swept = Cache().gc(
        max_age_days=days,
        max_bytes=None if gigabytes is None else int(gigabytes * _GIGABYTE),
        dry_run=dry_run,
    )
    verb = "would be" if dry_run else "were"
    text = "".join(map(_shown, swept.removed))
    text += f"{len(swept.removed)} files, {swept.freed / 1e6:.0f} MB {verb} removed\n"
    rows = {"removed": [_row(entry) for entry in swept.removed], "freed": swept.freed}
    write_result("cache-gc", rows, as_json=as_json, text=text)


@cache.command()
@click.argument("file", type=PATH)
@click.option("--as", "name", default="", metavar="NAME", help="What the file is (see below).")
@json_option
def add(file: Path, *, name: str, as_json: bool) -> None:
    """Add a file that was downloaded by other means to the cache.

    It must be a file that Photon published; it is recognised by its digest or, if none was
    published, by its name. For any other file, --as NAME identifies it: a file name or path
    in `photon-builder catalog`, or the address in the spec's base.url.
    """
    from builder.recognise import Recognised, recognise

    known: list[Recognised] = []

    def judge(found: Mapping[str, str]) -> str:
        known.append(recognise(file.name, found, name))
        return known[0].known_as

    verified = Cache().add_file(file, name=judge)
    row = {
        "sha256": verified.sha256,
        "size": verified.size,
        "path": str(verified.path),
        "is": known[0].text,
    }
    sys.stderr.write(f"{file.name}: {known[0].text}\n")
    text = f"{verified.sha256}  {verified.path}\n"
    write_result("cache-add", row, as_json=as_json, text=text)


def _row(entry: Entry) -> dict[str, object]:
    """Return an entry as JSON values."""
    return {
        "filename": entry.filename,
        "size": entry.size,
        "time": entry.time,
        "url": entry.url,
        "digests": dict(entry.digests),
    }


def _shown(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.time, UTC).strftime("%Y-%m-%d")
    return f"{when} {entry.size / 1e6:>8.1f} MB {entry.sha256[:12]} {entry.filename or '?'}\n"
