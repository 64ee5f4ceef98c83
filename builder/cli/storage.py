"""The command ``cache`` and its parts: what was downloaded, whether it is sound, what can go."""

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
    """A number from zero on; NaN is neither less nor more."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        return self.fail(f"{value} is not a number", param, ctx) if math.isnan(number) else number


_AMOUNT = _Amount(min=0, max=1_000_000)


@click.group()
def cache() -> None:
    """Look after the downloads."""


@cache.command("ls")
@json_option
def list_files(*, as_json: bool) -> None:
    """List the files in the cache, last used first."""
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
    """Hash every file again; a damaged one is moved out of the way."""
    results = list(Cache().verify())
    rows = [{**_row(r.entry), "found": r.found, "moved": str(r.moved or "")} for r in results]
    text = "".join(
        f"damaged, now {r.moved}: {_shown(r.entry)}" if r.moved else f"sound: {_shown(r.entry)}"
        for r in results
    )
    text = text or "the cache is empty\n"
    write_result("cache-verify", {"files": rows}, as_json=as_json, text=text)
    return DigestMismatch.exit_code if any(r.moved for r in results) else 0


@cache.command()
@click.option("--days", type=_AMOUNT, help="Remove what was not used for so many days.")
@click.option("--gigabytes", type=_AMOUNT, help="Remove the longest unused until the rest fits.")
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@json_option
def gc(
    *,
    days: float | None,
    gigabytes: float | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove downloads that were not used for long; 90 days when nothing is said."""
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
@click.option("--as", "name", default="", metavar="NAME", help="Which file it is: see below.")
@json_option
def add(file: Path, *, name: str, as_json: bool) -> None:
    """Put a file that was fetched otherwise into the cache.

    It has to be one that Photon published, told by its digest or, when none was published, by its
    name. For another one, NAME says what it is: a file name or path of `photon-builder catalog`,
    or the address that a spec has under base.url.
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
    """Return an entry as plain data."""
    return {
        "filename": entry.filename,
        "size": entry.size,
        "time": entry.time,
        "url": entry.url,
        "digests": dict(entry.digests),
    }


def _shown(entry: Entry) -> str:
    """Return an entry as one line."""
    when = datetime.fromtimestamp(entry.time, UTC).strftime("%Y-%m-%d")
    return f"{when} {entry.size / 1e6:>8.1f} MB {entry.sha256[:12]} {entry.filename or '?'}\n"
