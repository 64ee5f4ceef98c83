"""The pipeline: from a spec to published, proved artifacts."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import __version__, log, reproducible
from builder.addresses import shown
from builder.artifact import (
    Publication,
    format_provenance,
    provenance_path,
    publish,
    read_provenance,
    stage,
)
from builder.base import Opened, Origin, find_base, identify, open_base
from builder.cache import Cache
from builder.display_names import RenamedProgress, display_name
from builder.errors import Diagnostic, Severity
from builder.features import features_of
from builder.formats.disk import GIB
from builder.host import refusal
from builder.inputs import fetched_rows, with_downloads
from builder.job import Job, Made, Wanted
from builder.lock import read_lock
from builder.package_pins import is_pinned, pin_packages, with_pins
from builder.plan import Plan, make_plan
from builder.plan_record import changes_of
from builder.progress import Progress, Silent
from builder.request import Outcome, Request
from builder.spec import Spec
from builder.structs import replace
from builder.support import check_support, features_for

if TYPE_CHECKING:
    from builder.leaks import Leak

__all__ = ["Outcome", "Request", "build", "find_standing", "key_of", "prepare", "with_downloads"]

SCHEMA = "photon-builder/provenance/v1"
LEAK = "SEC006"
_OTHER_OUTPUT = "check free space and permissions (df, ls -ld), or choose another --output"
_HELD = "another process holds that folder"


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
        features_for(request.spec, request.target, features_of(request.spec.keys)),
        facts=origin.facts,
        announce=request.announce,
        tolerated=tolerated,
    )
    if not request.target.has_defaults:
        plan = plan.without_defaults()
    plan = with_pins(plan, request, origin)
    check_support(plan, request.target.supports, request.target.name)
    return plan, origin


def wanted_of(request: Request, plan: Plan, timestamp: int) -> Wanted:
    """Return what the artifact of a request shall hold."""
    spec = request.spec
    return Wanted(plan, spec.name, timestamp, spec.sections, spec.output)


def build(request: Request, cache: Cache, progress: Progress | None = None) -> Outcome:
    """Make the artifact of a request, prove it and publish it.

    Nothing is done when the last build had the same inputs and its artifact is still there.

    Raises:
        BuilderError: the output folder and the cache are as they were.
    """
    progress = progress or Silent()
    drawn: list[str] = []
    plan, origin = prepare(replace(request, announce=drawn.append))
    found: tuple[Diagnostic, ...] = ()
    if not is_pinned(plan):
        found = pin_packages(request, plan, origin, cache, progress).warnings
        drawn.clear()
        request = replace(request, locked=read_lock(request.spec.path.parent))
        plan, origin = prepare(replace(request, announce=drawn.append))
    key = key_of(request, plan, origin)
    standing = None if request.force else up_to_date(request.artifact, key, origin)
    if standing is not None:
        return replace(standing, warnings=plan.warnings)
    try:
        outcome = _build(request, plan, origin, (cache, progress, key))
    except OSError as error:
        raise refusal(error, request.output, hint=_OTHER_OUTPUT) from error
    for text in drawn:
        request.announce(f"{outcome.artifact.name}: {text}")
    return replace(outcome, warnings=(*plan.warnings, *found, *outcome.warnings))


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
    if reason := _why_to_build(artifact, record, key, origin):
        log.info("building %s: %s", artifact, reason)
        return None
    log.info("skipping %s: its inputs are those of the last build", artifact)
    told = record["artifact"]
    return Outcome(artifact, str(told.get("sha256") or ""), told["size"], built=False)


def _why_to_build(artifact: Path, record: Mapping[str, Any], key: str, origin: Origin) -> str:
    """Return why an artifact is not what a build would make; empty when it is."""
    try:
        status = artifact.stat()
    except OSError:
        return "it is not there"
    told = record.get("artifact")
    if record.get("key") != key or not isinstance(told, dict):
        return "its inputs are not those of the last build"
    if (status.st_size, int(status.st_mtime)) != (told.get("size"), record.get("timestamp")):
        return "it was changed after it was built"
    if not _is_same_base(origin, record):
        return "its base is another file than at the last build"
    return ""


def _is_same_base(origin: Origin, record: Mapping[str, Any]) -> bool:
    """Return whether a file without a digest in the spec is the one that ``record`` names."""
    if origin.path is None or origin.digests:
        return True
    base = record.get("base")
    return isinstance(base, dict) and base.get("digests") == identify(origin.path)


def _build(
    request: Request, plan: Plan, origin: Origin, tools: tuple[Cache, Progress, str]
) -> Outcome:
    """Make, prove and publish."""
    cache, progress, key = tools
    opened = open_base(origin, request.target, cache, progress, offline=request.offline)
    if origin.source is None:
        return _make(request, plan, opened, tools)
    name = origin.source.filename
    with display_name(opened.path, name):
        tools = (cache, RenamedProgress(progress, opened.path, name), key)
        return _make(request, plan, opened, tools)


def _make(
    request: Request, plan: Plan, opened: Opened, tools: tuple[Cache, Progress, str]
) -> Outcome:
    """Make, prove and publish from a base that is here."""
    cache, progress, key = tools
    started = reproducible.timestamp()
    from builder.leaks import leaks_beside
    from builder.verify import verify  # read while the base is digested, as is the recipe

    asked, inputs = plan, plan.downloads()
    request = _with_room(request, plan, opened.path)
    plan = with_downloads(plan, opened.path, cache, progress, offline=request.offline)
    artifact = request.artifact
    progress.phase(f"building {artifact.name} from {opened.origin.shown}")
    with stage(request.output) as staging:
        made = request.target.recipe(_job(request, plan, opened, (staging.fd, started, progress)))
        digests = opened.check()
        wanted = wanted_of(request, plan, started)
        work_out = request.target.work_out
        proof = verify(staging.path, wanted, work_out, full=False, name=artifact.name)
        record = _provenance(request, asked, opened, made)
        record |= {"inputs": fetched_rows(inputs, plan), "key": key, "timestamp": started}
        record["base"]["digests"] = digests
        what = _publication(artifact, made, record)
        publish(staging, what, lambda: progress.phase(f"waiting for {request.output}: {_HELD}"))
    texts = {path.name: text.encode() for path, text in what.texts.items()}
    leaks = leaks_of((*proof.leaks, *leaks_beside(wanted, texts)), artifact.name)
    warnings = tuple(problem for problem in leaks if request.spec.reports(problem))
    return Outcome(artifact, made.sha256, made.size, built=True, warnings=warnings)


def _with_room(request: Request, plan: Plan, base: Path) -> Request:
    """Return a request whose disk has room for the images of its plan.

    Raises:
        NoSpaceError: it has not, and the spec gives its size.
    """
    if "disk" not in request.target.sections or not plan.archives():
        return request
    from builder.room import reckon

    growth = reckon(plan, base, request.spec.sections)
    if not growth.text:
        return request
    request.announce(growth.text)
    sections = {**request.spec.sections, "disk": {"size": f"{growth.after // GIB}GiB"}}
    return replace(request, spec=replace(request.spec, sections=sections))


def leaks_of(leaks: Iterable["Leak"], name: str) -> tuple[Diagnostic, ...]:
    """Return secrets outside of their place as warnings.

    Args:
        leaks: What was found.
        name: The artifact's.
    """
    return tuple(
        Diagnostic(f"{name}: {leak.message}", LEAK, leak.hint, severity=Severity.WARNING)
        for leak in leaks
    )


def _publication(artifact: Path, made: Made, record: Mapping[str, Any]) -> Publication:
    """Return what appears with an artifact.

    Its provenance comes last: it is what tells the next build that nothing is left to do.
    """
    beside = {artifact.with_name(artifact.name + end): text for end, text in made.beside.items()}
    sums = {path.name: hashlib.sha256(text.encode()).hexdigest() for path, text in beside.items()}
    texts = {**beside, provenance_path(artifact): format_provenance(record)}
    return Publication(artifact, record["timestamp"], {artifact.name: made.sha256, **sums}, texts)


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


def _pinned_images(spec: Spec) -> dict[str, str]:
    """Return the images of a spec that the lock file holds, by full name, with their digests."""
    if "compose" not in spec.keys:
        return {}
    from builder.rules.compose.images import pinned_images

    return pinned_images(spec)


def _provenance(request: Request, plan: Plan, opened: Opened, made: Made) -> dict[str, Any]:
    """Return what is recorded beside an artifact; secrets appear as digests at most."""
    source = opened.origin.source
    recorded = source is not None and source.is_recorded
    return {
        "schema": SCHEMA,
        "builder": {"name": "photon-builder", "version": __version__},
        "spec": {"name": request.spec.name, "file": request.spec.path.name},
        "target": request.target.name,
        "plan": {
            "digest": plan.digest,
            "steps": len(plan.steps),
            "changes": changes_of(plan),
        },
        "images": _pinned_images(request.spec),
        "base": {
            "name": opened.origin.path.name if opened.origin.path else opened.origin.text,
            "release": opened.origin.release,
            "arch": opened.origin.arch,
            "published": {} if recorded else dict(opened.origin.digests or {}),
            "recorded": dict(opened.origin.digests or {}) if recorded else {},
            "urls": [shown(url) for url in source.urls] if source else [],
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
