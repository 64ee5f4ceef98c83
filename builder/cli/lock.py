"""The command ``lock``: digests of bases that nobody published any for."""

from typing import Any

import click

from builder.base import find_base
from builder.catalog import Source, list_artifacts
from builder.cli.options import chosen_targets, find_spec, json_option, reporter, write_result
from builder.errors import UnsupportedError
from builder.lock import read_lock, write_lock
from builder.spec import CatalogBase, Spec, UrlBase, load_spec
from builder.targets import Target


@click.command()
@click.argument("spec")
@json_option
def lock(spec: str, *, as_json: bool) -> None:
    """Download bases that have no published digest, and record what they are.

    The record, photon-builder.lock beside the spec, is checked from then on.
    """
    from builder.cache import Cache
    from builder.fetch import pin

    path = find_spec(spec)
    read, known = _read_unlocked(spec), dict(read_lock(path.parent))
    cache, progress = Cache(), reporter()
    rows = []
    for key, source in _unpinned(read, known):
        verified = pin(source, cache, progress)
        known[key] = {"sha256": verified.sha256}
        rows.append({"file": key, "sha256": verified.sha256, "size": verified.size})
    text = "".join(f"{row['sha256']}  {row['file']}\n" for row in rows)
    if rows:
        text += f"recorded in {write_lock(path.parent, known)}\n"
    write_result(rows, as_json=as_json, text=text or "nothing to lock: every base has a digest\n")


def _read_unlocked(name: str) -> Spec:
    """Read a spec whose base may still lack a digest."""
    from builder import features, targets
    from builder.documents import load_document

    path = find_spec(name)
    value: Any = load_document(path).value
    base = value.get("base") if isinstance(value, dict) else None
    url = base.get("url") if isinstance(base, dict) else None
    locked = {**read_lock(path.parent), **({str(url): {}} if url else {})}
    return load_spec(path, features=features.discover(), targets=targets.discover(), locked=locked)


def _unpinned(spec: Spec, known: dict[str, Any]) -> list[tuple[str, Source]]:
    """Return what a spec starts from that has no digest, by the name it is locked under."""
    match spec.base:
        case UrlBase(url, digests) if not digests and url not in known:
            return [(url, Source(url.rpartition("/")[2], (url,)))]
        case CatalogBase():
            found = [_unpublished(spec, spec.base, t, known) for t in chosen_targets(spec, ())]
            return [(source.filename, source) for source in found if source]
        case _:
            return []


def _unpublished(
    spec: Spec, base: CatalogBase, target: Target, known: dict[str, Any]
) -> Source | None:
    """Return the newest file of a target when no digest of it was published."""
    try:
        find_base(spec.base, target, known)
    except UnsupportedError:
        fitting = [
            source
            for source in list_artifacts(base.release, target.name)
            if not source.digests and base.arch in {None, source.arch}
        ]
        return fitting[-1] if fitting else None
    return None
