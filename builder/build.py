"""The pipeline: from a spec to published, proved artifacts."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from builder import __version__, reproducible
from builder.artifact import (
    read_provenance,
    stage,
    write_beside,
    write_provenance,
    write_sums,
)
from builder.base import Opened, Origin, find_base, identify, open_base
from builder.cache import Cache
from builder.errors import HostError, Problem
from builder.features import discover as discover_features
from builder.inputs import fetched_rows, with_downloads
from builder.job import Job, Made, Wanted
from builder.lock import Lock
from builder.plan import Plan, make_plan
from builder.progress import Progress, Silent
from builder.spec import Spec
from builder.structs import Struct, field, replace
from builder.support import check_support, features_for
from builder.targets import Target

SCHEMA = "photon-builder/provenance/v1"


class Request(Struct, frozen=True):
    """What to build, and how.

    Attributes:
        spec: The spec.
        target: One of its targets.
        output: Folder for the artifact.
        force: Build even when nothing changed.
        offline: Never use the network.
        locked: What the lock file has.
        announce: Told what a person must read now and nowhere else.
    """

    spec: Spec
    target: Target
    output: Path
    force: bool = False
    offline: bool = False
    locked: Lock = field(default_factory=Lock)
    announce: Callable[[str], None] = lambda _: None

    @property
    def artifact(self) -> Path:
        """Where the artifact goes."""
        suffix = self.target.suffix_with(self.spec.output)
        return self.output / f"{self.spec.name}{suffix}"


class Outcome(Struct, frozen=True):
    """What came of a request.

    Attributes:
        artifact: The published file.
        sha256: Its digest; empty for a disk that is not packed: its block map has them.
        size: Its length.
        built: Whether it was made now; ``False``: nothing had changed.
        warnings: What its plan warns of.
    """

    artifact: Path
    sha256: str
    size: int
    built: bool
    warnings: tuple[Problem, ...] = ()


def prepare(request: Request, tolerated: Collection[str] = ()) -> tuple[Plan, Origin]:
    """Return the plan and the base of a request: no network, no build.

    Args:
        request: What to build.
        tolerated: Codes of errors that are warnings to somebody who builds nothing.

    Raises:
        SpecError, UnsupportedError: the request cannot be carried out as it is.
    """
    origin = find_base(request.spec.base, request.target, request.locked)
    plan = make_plan(
        request.spec,
        features_for(request.spec, request.target, discover_features()),
        facts=origin.facts,
        announce=request.announce,
        tolerated=tolerated,
    )
    if not request.target.has_defaults:
        plan = plan.without_defaults()
    check_support(plan, request.target.supports, request.target.name)
    return plan, origin


def wanted_of(request: Request, plan: Plan, timestamp: int) -> Wanted:
    """Return what the artifact of a request shall hold."""
    return Wanted(plan, request.spec.name, timestamp, request.spec.sections)


def build(request: Request, cache: Cache, progress: Progress | None = None) -> Outcome:
    """Make the artifact of a request, prove it and publish it.

    Nothing is done when the last build had the same inputs and its artifact is still there.

    Raises:
        BuilderError: the output folder and the cache are as they were.
    """
    progress = progress or Silent()
    drawn: list[str] = []
    plan, origin = prepare(replace(request, announce=drawn.append))
    key = key_of(request, plan, origin)
    standing = None if request.force else up_to_date(request.artifact, key, origin)
    if standing is not None:
        return replace(standing, warnings=plan.warnings)
    try:
        outcome = _build(request, plan, origin, (cache, progress, key))
    except OSError as error:
        where = error.filename or request.output
        raise HostError(
            f"{where}: {error.strerror or error}",
            hint="check free space and permissions (df, ls -ld), or choose another --output",
        ) from error
    for text in drawn:
        request.announce(f"{outcome.artifact.name}: {text}")
    return replace(outcome, warnings=plan.warnings)


def find_standing(request: Request) -> Outcome | None:
    """Return the artifact of a request when it stands in the output folder and is up to date.

    Raises:
        BuilderError: the request cannot be carried out as it is.
    """
    plan, origin = prepare(replace(request, announce=lambda _: None))
    return up_to_date(request.artifact, key_of(request, plan, origin), origin)


def key_of(request: Request, plan: Plan, origin: Origin) -> str:
    """Return a digest of everything that the artifact's bytes depend on."""
    pinned = reproducible.pinned_timestamp()
    inputs = [
        __version__,
        request.spec.name,
        request.target.name,
        plan.digest,
        origin.identity,
        json.dumps(dict(request.spec.output), sort_keys=True),
        json.dumps(dict(request.spec.sections), sort_keys=True),
        "" if pinned is None else str(pinned),
    ]
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()


def up_to_date(artifact: Path, key: str, origin: Origin) -> Outcome | None:
    """Return the standing artifact when it was built from the same inputs and is untouched."""
    record = read_provenance(artifact)
    try:
        status = artifact.stat()
    except OSError:
        return None
    told = record.get("artifact")
    if record.get("key") != key or not isinstance(told, dict):
        return None
    if (status.st_size, int(status.st_mtime)) != (told.get("size"), record.get("timestamp")):
        return None
    if not _is_same_base(origin, record):
        return None
    return Outcome(artifact, str(told.get("sha256") or ""), status.st_size, built=False)


def _is_same_base(origin: Origin, record: Mapping[str, Any]) -> bool:
    """Tell whether a file without a digest in the spec is the one that ``record`` names."""
    if origin.path is None or origin.digests:
        return True
    base = record.get("base")
    return isinstance(base, dict) and base.get("digests") == identify(origin.path)


def _build(
    request: Request, plan: Plan, origin: Origin, tools: tuple[Cache, Progress, str]
) -> Outcome:
    """Make, prove and publish."""
    cache, progress, key = tools
    started = reproducible.timestamp()
    opened = open_base(origin, request.target, cache, progress, offline=request.offline)
    from builder.verify import verify  # read while the base is digested, as is the recipe

    inputs = plan.downloads()
    plan = with_downloads(plan, opened.path, cache, progress, offline=request.offline)
    artifact = request.artifact
    progress.phase(f"building {artifact.name} from {origin.shown}")
    with stage(request.output) as staging:
        made = request.target.recipe(_job(request, plan, opened, (staging.fd, started, progress)))
        digests = opened.check()
        wanted = wanted_of(request, plan, started)
        verify(staging.path, wanted, request.target.work_out, full=False, name=artifact.name)
        staging.publish(artifact, mtime=started)
    record = _provenance(request, plan, opened, made)
    record["inputs"] = fetched_rows(inputs, plan)
    base = {**record["base"], "digests": digests}
    write_sums(artifact, made.sha256)
    for suffix, text in made.beside.items():
        path = artifact.with_name(artifact.name + suffix)
        write_beside(path, text)
        write_sums(path, hashlib.sha256(text.encode()).hexdigest())
    # Last: it is what tells the next build that nothing is left to do.
    write_provenance(artifact, {**record, "key": key, "timestamp": started, "base": base})
    return Outcome(artifact, made.sha256, made.size, built=True)


def _job(request: Request, plan: Plan, opened: Opened, where: tuple[int, int, Progress]) -> Job:
    """Return what the recipe is given."""
    fd, timestamp, progress = where
    return Job(
        opened.path,
        plan,
        fd,
        request.spec.name,
        timestamp,
        opened.is_pinned,
        request.spec.output,
        progress,
        request.spec.sections,
        request.output,
        opened.map,
    )


def _provenance(request: Request, plan: Plan, opened: Opened, made: Made) -> dict[str, Any]:
    """Return what is recorded beside an artifact; secrets appear as digests at most."""
    from builder.rules.images import pinned_images

    source = opened.origin.source
    recorded = source is not None and source.is_recorded
    return {
        "schema": SCHEMA,
        "builder": {"name": "photon-builder", "version": __version__},
        "spec": {"name": request.spec.name, "file": request.spec.path.name},
        "target": request.target.name,
        "plan": {"digest": plan.digest, "steps": len(plan.steps)},
        "images": pinned_images(request.spec),
        "base": {
            "name": opened.origin.path.name if opened.origin.path else opened.origin.text,
            "release": opened.origin.release,
            "arch": opened.origin.arch,
            "published": {} if recorded else dict(opened.origin.digests or {}),
            "recorded": dict(opened.origin.digests or {}) if recorded else {},
            "urls": list(source.urls) if source else [],
        },
        "artifact": {
            "name": request.artifact.name,
            "size": made.size,
            "sha256": made.sha256 or None,
            "operations": made.operations,
            "new_size": made.new_size,
            "content": made.content,
            "beside": [f"{request.artifact.name}{suffix}" for suffix in sorted(made.beside)],
        },
    }
