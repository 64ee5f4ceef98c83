"""Compares a finished artifact with its spec."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.artifact import digest_of, read_provenance
from builder.build import prepare, wanted_of
from builder.cache import Cache
from builder.errors import VerifyError
from builder.images import open_image
from builder.inputs import with_archives, with_downloads
from builder.job import Wanted
from builder.leaks import Leak
from builder.packages.installed import read_installed
from builder.plan import Plan
from builder.plan_record import Difference, name_of, since
from builder.progress import Progress
from builder.request import Request
from builder.structs import Struct
from builder.verify import UnlikeSpecError
from builder.verify import verify as prove

_LATEST = 1 << 36
_MOST = 5
"""Number of changes that a message lists."""


class Claim(Struct, frozen=True):
    """The expected content of an artifact.

    Attributes:
        request: The request that builds it.
        record: The provenance of the file.
        wanted: Expected content; ``None`` when it cannot be reproduced.
        edited: Difference to the plan of the build; ``None`` without a record.
    """

    request: Request
    record: Mapping[str, Any]
    wanted: Wanted | None
    edited: Difference | None


class Verdict(Struct, frozen=True):
    """Result of a verification.

    Attributes:
        kind: Container format.
        steps: Number of planned changes that are present.
        leaks: Secrets in files that are not meant for them.
        is_compared: Whether it was compared with a plan.
        edited: Difference of the spec since the build, as text; empty without one.
    """

    kind: str
    steps: int
    leaks: tuple[Leak, ...]
    is_compared: bool
    edited: str


def verify(
    artifact: Path, request: Request | None, progress: Progress, packages: Collection[str] = ()
) -> Verdict:
    """Verify an artifact: its container and, given a request, its planned changes.

    Args:
        artifact: The file.
        request: The request that builds it.
        progress: Shows the progress.
        packages: Packages that must be installed, as `rpm -q` takes names.

    Raises:
        VerifyError: the container is damaged, a change or a package is missing; the
            message lists the differences.
    """
    claim = _claim(request, artifact, progress) if request else None
    wanted = claim.wanted if claim else None
    work_out = request.target.work_out if request else None
    try:
        proof = prove(artifact, wanted, work_out, full=True)
    except UnlikeSpecError as error:
        raise _explained(error.missing, artifact, claim) from error
    edited = _edited(claim.edited) if claim else ""
    if packages:
        _prove_packages(artifact, packages)
    return Verdict(
        proof.kind, proof.steps, proof.leaks + _beside(artifact, wanted), wanted is not None, edited
    )


def _prove_packages(artifact: Path, packages: Collection[str]) -> None:
    """Refuse a file in which one of ``packages`` is not installed."""
    with open_image(artifact) as image:
        installed = read_installed(image.root())
    for query in packages:
        if not any(package.answers(query) for package in installed):
            name = query.partition("-")[0]
            like = [str(package) for package in installed if package.name.startswith(name)]
            found = f"; installed are {', '.join(like[:_MOST])}" if like else ""
            raise VerifyError(
                f"{artifact}: the package {query} is not installed{found}",
                hint=f"`photon-builder inspect {artifact} --packages` lists the installed packages",
            )


def _beside(artifact: Path, wanted: Wanted | None) -> tuple[Leak, ...]:
    """Return whether the provenance beside an artifact holds a secret of its spec."""
    from builder.artifact import provenance_path
    from builder.leaks import leaks_beside

    path = provenance_path(artifact)
    if wanted is None or not path.is_file():
        return ()
    return tuple(leaks_beside(wanted, {path.name: path.read_bytes()}))


def _claim(request: Request, artifact: Path, progress: Progress) -> Claim:
    """Return the expected content of an artifact."""
    record = read_provenance(artifact)
    plan, _ = prepare(request)
    told = record.get("timestamp")
    timestamp = _time_of(artifact)
    if isinstance(told, int) and 0 < told < _LATEST:
        timestamp = told
    known = _known(request, plan, artifact, progress)
    wanted = wanted_of(request, known, timestamp) if known else None
    return Claim(request, record, wanted, since(record, plan))


def _time_of(artifact: Path) -> int:
    """Return the time stamp of a file, which a build sets to that of all that it writes."""
    return int(artifact.stat().st_mtime) if artifact.exists() else 0


def _known(request: Request, plan: Plan, artifact: Path, progress: Progress) -> Plan | None:
    """Return the part of a plan that can be compared; ``None`` when it cannot be reproduced.

    A payload can be compared only as a whole: all of it must be reproducible, downloads
    included, without random values.
    """
    known = plan.without_drawn()
    if request.target.work_out is not None:
        if known.steps != plan.steps:
            return None
        return with_downloads(known, artifact, Cache(), progress, offline=False)
    return with_archives(known, Cache(), progress)


def _explained(missing: tuple[str, ...], artifact: Path, claim: Claim | None) -> VerifyError:
    """Return the error for a valid file that differs from its spec: which of both was edited."""
    path = claim.request.spec.path if claim else ""
    told = claim.record.get("artifact") if claim else None
    recorded = told.get("sha256") if isinstance(told, dict) else None
    edited = _edited(claim.edited) if claim else ""
    if recorded and digest_of(artifact) != recorded:
        why = "the file was changed after it was built"
    elif recorded or edited:
        why = f"{path} was edited since the build" + (f": {edited}" if edited else "")
    else:
        why = f"it was built from another spec, or {path} was edited since"
    return VerifyError(
        f"{artifact} is not what {path} says: {why}. In the file: {'; '.join(missing)}",
        hint=f"run `photon-builder build {path}`; without a spec, `verify` checks the file alone",
    )


def _edited(difference: Difference | None) -> str:
    """Return the difference of a spec since the build as text; empty without one."""
    return "; ".join(_words(difference)) if difference else ""


def _words(difference: Difference) -> Iterator[str]:
    """Yield the added, changed and removed changes."""
    rows = (("new", difference.added), ("changed", difference.changed))
    for word, subjects in (*rows, ("no longer requested", difference.removed)):
        names = [name_of(subject) for subject in sorted(subjects)]
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        if names:
            yield f"{word}: {', '.join(names[:_MOST])}{more}"
