"""What a plan needs from the network: fetched for a build, and recorded beside its artifact."""

from pathlib import Path

from builder.addresses import shown
from builder.blob import Blob, Download
from builder.cache import Cache
from builder.changes import WriteFile
from builder.plan import Plan
from builder.progress import Progress


def with_downloads(
    plan: Plan, base: Path, cache: Cache, progress: Progress, *, offline: bool
) -> Plan:
    """Return the plan with the content that has to be fetched on this machine.

    What the base already has in another place is left alone, and not fetched.
    """
    wanted = plan.downloads()
    if not wanted:
        return plan
    from builder.engine.tree import exists
    from builder.fetch import fetch_blob
    from builder.images import open_image

    fetched: dict[str, Blob] = {}
    with open_image(base) as image:
        root = image.root()
        for change, _ in wanted:
            if change.unless is None or not exists(root, change.unless):
                blob = fetch_blob(change.content, cache, progress, offline=offline)
                fetched[blob.sha256] = blob
    return plan.with_content(fetched)


def fetched_rows(inputs: list[tuple[WriteFile, Download]], plan: Plan) -> list[dict[str, str]]:
    """Return what was downloaded for the plan; what the base had already is not among it."""
    left = {change.content.sha256 for change, _ in plan.downloads()}
    return [
        {"path": change.path, "url": shown(download.url), "sha256": change.content.sha256}
        for change, download in inputs
        if change.content.sha256 not in left
    ]
