"""What a plan needs from the network: fetched for a build, and recorded beside its artifact."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from builder.addresses import shown
from builder.blob import Blob, Download
from builder.cache import Cache
from builder.changes import WriteFile
from builder.engine.tree import Tree, exists
from builder.image_archive import Archive
from builder.plan import Plan
from builder.progress import Progress

if TYPE_CHECKING:
    from builder.containers.pull import Store


def with_downloads(
    plan: Plan, base: Path, cache: Cache, progress: Progress, *, offline: bool
) -> Plan:
    """Return the plan with the content that has to be fetched on this machine.

    What the base already has in another place is left alone, and not fetched.
    """
    if packages := [content for content, _ in plan.package_downloads()]:
        plan = plan.with_content(_fetch(packages, cache, progress, offline=offline))
    if not plan.downloads():
        return plan
    from builder.images import open_image

    with open_image(base) as image:
        return fetched_for(plan, image.root(), cache, progress, offline=offline)


def fetched_for(plan: Plan, tree: Tree, cache: Cache, progress: Progress, *, offline: bool) -> Plan:
    """Return the plan with the content that has to be fetched for a tree, as `with_downloads`."""
    wanted = [
        change.content
        for change, _ in plan.downloads()
        if change.unless is None or not exists(tree, change.unless)
    ]
    return plan.with_content(_fetch(wanted, cache, progress, offline=offline)) if wanted else plan


def with_archives(plan: Plan, cache: Cache, progress: Progress) -> Plan:
    """Return the plan with its archives of images, whose digests nobody knows before."""
    wanted = [change.content for change, _ in plan.downloads() if archive_of(change.content)]
    return plan.with_content(_fetch(wanted, cache, progress, offline=False)) if wanted else plan


def archive_of(content: Blob) -> Archive | None:
    """Return the archive that content is, while it has to be fetched."""
    recipe = content.source.recipe if isinstance(content.source, Download) else None
    return recipe if isinstance(recipe, Archive) else None


def fetched_rows(inputs: list[tuple[WriteFile, Download]], plan: Plan) -> list[dict[str, str]]:
    """Return what was downloaded for the plan; what the base had already is not among it."""
    left = {change.path for change, _ in plan.downloads()}
    found = {each.path: each.content for each in plan.changes if isinstance(each, WriteFile)}
    return [
        {"path": change.path, "url": shown(download.url), "sha256": found[change.path].sha256}
        for change, download in inputs
        if change.path not in left
    ]


def _fetch(
    wanted: Iterable[Blob], cache: Cache, progress: Progress, *, offline: bool
) -> dict[str, Blob]:
    """Return content that is on this machine, by the digest that a plan has of it."""
    from builder.fetch import fetch_blob

    fetched: dict[str, Blob] = {}
    archives: list[tuple[str, Archive]] = []
    for blob in wanted:
        if (archive := archive_of(blob)) is not None:
            archives.append((blob.sha256, archive))
        else:
            fetched[blob.sha256] = fetch_blob(blob, cache, progress, offline=offline)
    if archives:
        with _store(cache, progress, offline=offline) as store:
            for digest, archive in archives:
                pulled = store.pull(archive)
                fetched[digest] = Blob(pulled.sha256, pulled.size, pulled.open)
    return fetched


@contextmanager
def _store(cache: Cache, progress: Progress, *, offline: bool) -> "Iterator[Store]":
    """Give what pulls images."""
    from builder.containers.pull import Store

    if offline:
        yield Store(cache, progress, None)
        return
    from builder.fetch.registry import Registries

    with Registries(progress) as registries:
        yield Store(cache, progress, registries)
