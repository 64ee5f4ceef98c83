"""Packages of a plan and the RPM files that the lock file says they are.

A plan that names packages is complete when the lock file has their files for its base; until then
they have to be resolved, once and with a network. A sample has no packages, and a medium has an
installer: both keep the names.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from builder import log, reproducible
from builder.addresses import shown
from builder.base import Origin, open_base
from builder.blob import Blob, Download
from builder.cache import Cache
from builder.carriers.knowledge import BuildersKnowledge
from builder.changes import InstallFiles, InstallPackages, ReplaceText, WriteFile
from builder.changes import replace as changed
from builder.engine.apply import take
from builder.engine.overlay import OverlayTree
from builder.engine.tree import Tree, read_text
from builder.errors import Diagnostic, FetchError, Severity
from builder.formats.rpm import Header, read_header
from builder.guest.os_release import OS_RELEASE, PHOTON_RELEASE, parse_release
from builder.lock import amend_lock
from builder.package_files import PackageFile
from builder.plan import Plan
from builder.progress import Progress
from builder.request import Request
from builder.structs import Struct, replace

if TYPE_CHECKING:
    from builder.packages.resolution import Ground

_FOLDERS = ("/etc/yum.repos.d/", "/etc/pki/rpm-gpg/")
"""Where the guest looks for repositories and keys."""
_DIGITS = 12


class Pinned(Struct, frozen=True):
    """What packages became.

    Attributes:
        key: What the lock file calls them.
        files: All files that they need.
        warnings: What is doubtful about them.
    """

    key: str
    files: tuple[PackageFile, ...]
    warnings: tuple[Diagnostic, ...]


def is_pinned(plan: Plan) -> bool:
    """Return whether nothing in a plan has to be resolved before a build."""
    return not _open_changes(plan)


def with_pins(plan: Plan, request: Request, origin: Origin) -> Plan:
    """Return a plan with the files that the lock file has for its packages."""
    changes = _open_changes(plan)
    if not changes or not _resolves(request, origin):
        return _all_online(plan)
    found = request.locked.packages.get(_key(changes, origin))
    if found is None:
        return plan
    own = {name: blob for change in changes for name, blob in change.files}
    files = tuple((file.name, own.get(file.name) or _download(file)) for file in found)
    names = tuple(sorted({name for change in changes for name in change.names}))
    steps = [step for step in plan.steps if step.change not in changes]
    first = next(step for step in plan.steps if step.change in changes)
    at = plan.steps.index(first)
    steps.insert(at, replace(first, change=InstallFiles(names, files)))
    return replace(plan, steps=tuple(steps))


def pin_packages(
    request: Request, plan: Plan, origin: Origin, cache: Cache, progress: Progress
) -> Pinned:
    """Resolve the packages of a plan, prove their files, and record them in the lock file.

    Raises:
        FetchError: a repository is out of reach, or the network must not be used.
        GuestError: they cannot be installed on the base.
        DigestMismatch: a file is damaged, or not signed by a key of its repository.
    """
    changes = _open_changes(plan)
    key = _key(changes, origin)
    if request.offline:
        raise FetchError(
            f"photon-builder.lock has no files for the packages {key.partition(': ')[2]}, and the "
            "network must not be used",
            hint=f"run `photon-builder lock {request.spec.path}` where there is a network",
        )
    from builder.images import open_image
    from builder.packages.resolution import Ground

    opened = open_base(origin, request.target, cache, progress)
    opened.check()
    with open_image(opened.path) as image:
        tree = image.root()
        ground = Ground(_with_repositories(tree, plan), _release(tree), origin.arch)
        files, warnings = _resolve(changes, ground, cache, progress)
    path = amend_lock(request.spec.path.parent, packages={key: files})
    log.info("recorded %d RPM files in %s", len(files), path)
    return Pinned(key, files, warnings)


def _resolve(
    changes: Sequence[InstallPackages], ground: "Ground", cache: Cache, progress: Progress
) -> tuple[tuple[PackageFile, ...], tuple[Diagnostic, ...]]:
    """Return the proved files of packages, and what is doubtful about them."""
    from builder.packages import resolution

    own = {name: blob for change in changes for name, blob in change.files}
    need = resolution.Need(
        names=tuple(sorted({name for change in changes for name in change.names})),
        files=tuple(sorted(own.items())),
        source=next((change.source for change in changes if change.source), ""),
        may_update=any(change.may_update for change in changes),
    )
    closure = resolution.resolve_packages(need, ground, cache, progress)
    blobs = [
        own.get(choice.url) or resolution.fetch_package(choice, cache, progress)
        for choice in closure.choices
    ]
    packages = list(zip(closure.choices, blobs, strict=True))
    signers = list(resolution.check_signatures(packages, ground))
    headers = [_header(choice.filename, blob) for choice, blob in packages]
    resolution.check_conflicts(ground, headers, [each.name for each in closure.replaced])
    files = tuple(
        PackageFile(
            name=choice.filename,
            url="" if choice.url in own else shown(choice.url),
            sha256=blob.sha256,
            size=blob.size,
        )
        for choice, blob in packages
    )
    weak = [str(choice) for choice, signer in signers if signer.is_weak]
    return files, tuple(_warnings(weak, list(map(str, closure.replaced))))


def _warnings(weak: list[str], replaced: list[str]) -> Iterator[Diagnostic]:
    """Yield what a person should know of packages once they are resolved."""
    if weak:
        message = f"{', '.join(weak)}: signed with SHA-1 or a key of less than 2048 bits"
        yield Diagnostic(message, "PKG012", severity=Severity.WARNING)
    if replaced:
        message = f"packages of the base are replaced: {', '.join(replaced)}"
        yield Diagnostic(message, "PKG014", severity=Severity.WARNING)


def _with_repositories(root: Tree, plan: Plan) -> Tree:
    """Return a root with the repositories and keys that the plan gives it; nothing is written."""
    tree, known = OverlayTree(root), BuildersKnowledge(reproducible.timestamp())
    for change in plan.changes:
        match change:
            case WriteFile(path=path) | ReplaceText(pattern=path) if path.startswith(_FOLDERS):
                take(change, tree, known)
    return tree


def _resolves(request: Request, origin: Origin) -> bool:
    """Return whether packages come with the image: neither on a medium nor on a sample."""
    return request.target.work_out is None and not origin.is_sample


def _open_changes(plan: Plan) -> list[InstallPackages]:
    """Return what is to come with the image, and has no files yet."""
    changes = plan.changes
    return [each for each in changes if isinstance(each, InstallPackages) and not each.online]


def _all_online(plan: Plan) -> Plan:
    """Return a plan whose packages are left to the guest, or to the installer."""
    steps = (
        replace(step, change=changed(step.change, online=True))
        if isinstance(step.change, InstallPackages)
        else step
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def _wanted(change: InstallPackages) -> Iterator[str]:
    """Yield what tells the packages of a change: names, and files with their digests."""
    yield from change.names
    yield from (f"{name}@{blob.sha256[:_DIGITS]}" for name, blob in change.files)


def _key(changes: Sequence[InstallPackages], origin: Origin) -> str:
    """Return what the lock file calls these packages on this base."""
    wanted = sorted({word for change in changes for word in _wanted(change)})
    sources = sorted({change.source for change in changes} - {""})
    base = origin.path.name if origin.path else origin.text
    if origin.source:
        base = origin.source.key
    return f"{shown(base)}: {' '.join(wanted)}" + "".join(f" from {each}" for each in sources)


def _download(file: PackageFile) -> Blob:
    """Return the content of a file that is fetched by its digest."""
    return Blob(file.sha256, file.size, Download(file.url, file.name))


def _header(name: str, blob: Blob) -> Header:
    with blob.open() as stream:
        return read_header(stream, name)


def _release(root: Tree) -> str:
    """Return the release that tdnf would put in for ``$releasever``."""
    texts = (read_text(root, path, missing="") for path in (OS_RELEASE, PHOTON_RELEASE))
    return parse_release(*texts).version
