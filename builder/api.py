"""The front door for programs: load a spec, plan, build, verify, inspect, burn.

Everything here is what the command line itself calls. Errors are those of
:mod:`builder.errors`; whatever is wrong with a spec comes as problems with their places.

    from builder import api

    loaded = api.load("homelab.yaml")
    for problem in loaded.problems:
        print(problem.place, problem.code, problem.message)
    request = api.make_request(loaded.spec, "ova", output="output")
    outcome = api.build(request)
    api.verify(outcome.artifact, request)
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.burn.options import BurnOptions
from builder.errors import Diagnostic, SpecError
from builder.lock import read_lock
from builder.reading import load_checked
from builder.request import Outcome, Request
from builder.selection import choose_targets, targets_of
from builder.spec import Base, FileBase, SampleBase, Spec
from builder.structs import Struct
from builder.targets import Target

if TYPE_CHECKING:
    from builder.burn.api import BurnReport
    from builder.cache import Cache
    from builder.claims import Verdict
    from builder.plan import Plan
    from builder.progress import Progress

__all__ = [
    "Base",
    "BurnOptions",
    "Diagnostic",
    "FileBase",
    "Loaded",
    "Outcome",
    "Request",
    "SampleBase",
    "Spec",
    "Target",
    "build",
    "burn",
    "inspect",
    "load",
    "make_request",
    "plan",
    "targets_in",
    "verify",
]


class Loaded(Struct, frozen=True):
    """What reading a spec gave.

    Attributes:
        spec: The spec; ``None`` when it is not valid.
        problems: Everything that is wrong with it, or that it is warned of, by line.
    """

    spec: Spec | None
    problems: tuple[Diagnostic, ...]


def load(path: str | Path, *, base: Base | None = None) -> Loaded:
    """Read a spec and judge it by every rule: no network, no build.

    Args:
        path: The YAML file.
        base: Taken instead of the base that the spec has, such as ``SampleBase("5.0")``.

    Raises:
        HostError: the file cannot be read.
    """
    try:
        spec, problems = load_checked(Path(path), base)
    except SpecError as error:
        return Loaded(None, tuple(error.problems))
    return Loaded(spec, problems)


def targets_in(spec: Spec) -> tuple[Target, ...]:
    """Return the targets that a spec builds, groups expanded."""
    return tuple(targets_of(choose_targets(spec)))


def make_request(
    spec: Spec,
    target: Target | str,
    output: str | Path = "output",
    *,
    force: bool = False,
    offline: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> Request:
    """Return what to build.

    Args:
        spec: A spec that is valid.
        target: One of its targets, or the name of one.
        output: Folder for the artifact.
        force: Build even when nothing changed.
        offline: Never use the network.
        announce: Told what a person must read now and nowhere else, such as a drawn password.

    Raises:
        UsageError: there is no such target.
        SpecError: the lock file beside the spec is damaged.
    """
    if isinstance(target, str):
        (target,) = targets_of(choose_targets(spec, (target,)))
    return Request(
        spec,
        target,
        Path(output),
        force=force,
        offline=offline,
        locked=read_lock(spec.path.parent),
        announce=announce,
    )


def plan(request: Request) -> "Plan":
    """Return every change that a build would make, each with its reason: no network, no build.

    Raises:
        SpecError, UnsupportedError: the request cannot be carried out as it is.
    """
    from builder.build import prepare

    return prepare(request)[0]


def build(
    request: Request, *, cache: "Cache | None" = None, progress: "Progress | None" = None
) -> Outcome:
    """Make an artifact, prove it and publish it; nothing is done when nothing changed.

    Args:
        request: What to build.
        cache: Where downloads are kept; the user's cache when it is left out.
        progress: Told what happens.

    Raises:
        BuilderError: of the kind that says what went wrong; nothing is left half-made.
    """
    from builder.build import build as build_artifact
    from builder.cache import Cache

    return build_artifact(request, cache or Cache(), progress)


def verify(
    artifact: str | Path,
    request: Request | None = None,
    *,
    packages: Collection[str] = (),
    progress: "Progress | None" = None,
) -> "Verdict":
    """Prove a file: its container is valid and, given a request, every change of its plan holds.

    Args:
        artifact: The file.
        request: What would build it.
        packages: What must be installed in it, as `rpm -q` takes names.
        progress: Told how far it is.

    Raises:
        VerifyError: the container is damaged, the plan does not hold or a package is missing; the
            message names what differs.
    """
    from builder.claims import verify as verify_claims
    from builder.progress import Silent

    return verify_claims(Path(artifact), request, progress or Silent(), packages)


def inspect(artifact: str | Path, *, packages: bool = False) -> dict[str, Any]:
    """Return what an artifact is: container, partitions, release, hardware; plain data.

    Args:
        artifact: The file.
        packages: Whether to list the packages that are installed in it, too.

    Raises:
        FormatError: the format is unknown, or the file is damaged.
        HostError: it cannot be read.
    """
    from builder.images import describe, open_image

    with open_image(Path(artifact)) as image:
        return describe(image, packages=packages)


def burn(
    image: str | Path,
    devices: Sequence[str | Path],
    options: BurnOptions,
    *,
    ask: Callable[[str], str] | None = None,
    notify: Callable[[str], None] = lambda _: None,
    progress: "Progress | None" = None,
) -> "BurnReport":
    """Write an image to cards or sticks, read it back, and eject them.

    A card that fails does not stop the others: its error is in its result.

    Args:
        image: Path or address of the image.
        devices: Block devices; links are followed.
        options: Which disk is meant, which image is accepted, and how it is written.
        ask: Returns what the user types when asked for a confirmation such as ``sdb 31.9G``;
            without it, ``options`` have to confirm every disk.
        notify: Called with what the user must read before confirming.
        progress: Where progress is shown.

    Raises:
        DeviceError: a device must not be written, or is not confirmed.
        DigestMismatch: the image's digest or signature is not valid.
        BuilderError: the image cannot be read, or is not a disk image.
    """
    from builder.burn.api import burn as burn_image

    return burn_image(
        str(image), list(map(Path, devices)), options, ask=ask, notify=notify, progress=progress
    )
