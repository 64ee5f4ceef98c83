"""The command ``lock``: bases that nobody published a digest for, and what tags of images mean."""

from typing import Any

import click

from builder.base import find_base
from builder.catalog import Source, list_artifacts
from builder.cli.lock_images import lock_images
from builder.cli.options import chosen_targets, find_spec, json_option, reporter, write_result
from builder.errors import UnsupportedError, UsageError
from builder.lock import Lock, read_lock, write_lock
from builder.progress import Progress
from builder.spec import CatalogBase, Spec, UrlBase, load_spec
from builder.targets import Target

_USUAL_ARCH = "x86_64"


@click.command()
@click.argument("spec")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@click.option("--update", "-u", is_flag=True, help="Ask anew what tags mean: all, or of IMAGE….")
@json_option
def lock(spec: str, images: tuple[str, ...], *, update: bool, as_json: bool) -> None:
    """Record what has no digest yet: tags of container images, and bases.

    Registries are asked what the tags mean; bases without a published digest are downloaded.
    The record, photon-builder.lock beside the spec, holds every later build to it. What it has
    stays, but for images with --update.
    """
    if images and not update:
        raise UsageError("IMAGE goes with --update", hint=f"photon-builder lock {spec} --update …")
    path = find_spec(spec)
    read, known, progress = _read_unlocked(spec), read_lock(path.parent), reporter()
    unpinned = _unpinned(read, known)
    pins = lock_images(read, _archs(read, known, dict(unpinned)), progress, images, update=update)
    bases = _lock_bases(unpinned, progress)
    digests = {row["file"]: {"sha256": row["sha256"]} for row in bases}
    rows = [*pins.rows(), *bases]
    text = pins.text() + "".join(f"{row['sha256']}  {row['file']}\n" for row in bases)
    merged = Lock({**known.files, **digests}, {**known.images, **pins.found})
    if merged != known:
        text += f"recorded in {write_lock(path.parent, merged)}\n"
    write_result(rows, as_json=as_json, text=text or "nothing to lock: everything has a digest\n")


def _lock_bases(unpinned: list[tuple[str, Source]], progress: Progress) -> list[dict[str, Any]]:
    """Download bases, and return what they are."""
    from builder.cache import Cache
    from builder.fetch import pin

    cache, rows = Cache(), []
    for key, source in unpinned:
        verified = pin(source, cache, progress)
        rows.append({"file": key, "sha256": verified.sha256, "size": verified.size})
    return rows


def _read_unlocked(name: str) -> Spec:
    """Read a spec whose base may still lack a digest."""
    from builder import features, targets
    from builder.documents import load_document

    path = find_spec(name)
    value: Any = load_document(path).value
    base = value.get("base") if isinstance(value, dict) else None
    url = base.get("url") if isinstance(base, dict) else None
    known = read_lock(path.parent)
    lock = Lock({**({str(url): {}} if url else {}), **known.files}, known.images)
    return load_spec(path, features=features.discover(), targets=targets.discover(), locked=lock)


def _archs(spec: Spec, known: Lock, unpinned: dict[str, Source]) -> dict[str, str]:
    """Return the architectures that a spec is built for, each with a target of it."""
    found: dict[str, str] = {}
    for target in chosen_targets(spec, ()):
        try:
            arch = find_base(spec.base, target, known).arch
        except UnsupportedError:
            archs = [entry.arch for entry in unpinned.values() if entry.target == target.name]
            arch = (archs or [_USUAL_ARCH])[0]
        found.setdefault(arch, target.name)
    return found


def _unpinned(spec: Spec, known: Lock) -> list[tuple[str, Source]]:
    """Return what a spec starts from that has no digest, by the name it is locked under."""
    match spec.base:
        case UrlBase(url, digests) if not digests and url not in known.files:
            return [(url, Source(url.rpartition("/")[2], (url,)))]
        case CatalogBase():
            found = [_unpublished(spec, spec.base, t, known) for t in chosen_targets(spec, ())]
            return [(source.filename, source) for source in found if source]
        case _:
            return []


def _unpublished(spec: Spec, base: CatalogBase, target: Target, known: Lock) -> Source | None:
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
