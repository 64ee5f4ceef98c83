"""A spec made true of a folder that is a root filesystem: a chroot, a mounted disk.

The engine does it, as in an installed system: by directory descriptors, so that no link leads out.
"""

import os
from pathlib import Path

from builder import reproducible
from builder.cache import Cache
from builder.carriers.edit import operations
from builder.carriers.knowledge import facts_of_tree
from builder.changes import FileOp
from builder.engine.directory import DirectoryTree
from builder.engine.tree import Tree, exists
from builder.errors import GuestError, UsageError
from builder.features import features_of
from builder.guest.os_release import PHOTON_RELEASE
from builder.host import refusal
from builder.inputs import fetched_for
from builder.plan import Plan, make_plan
from builder.progress import Progress
from builder.request import Request
from builder.support import features_for

_AS_ROOT = "owners and modes are set by root: try sudo"


def apply_to_folder(
    request: Request, folder: Path, tools: tuple[Cache, Progress], *, only_check: bool
) -> list[FileOp]:
    """Return what a folder lacks to be what a spec says, and do it unless it is only asked for.

    Args:
        request: The spec and the target that it is read for.
        folder: The root filesystem; changed unless ``only_check``.
        tools: The cache and the progress for what has to be downloaded.
        only_check: Whether nothing is changed.

    Raises:
        GuestError: a step does not fit; nothing was touched.
        HostError: the folder cannot be read or written.
    """
    if folder.resolve() == Path("/"):
        raise UsageError(
            "`--root /` is the system that runs, and there is no way back yet",
            hint="name a chroot or a mounted disk",
        )
    try:
        tree = DirectoryTree(os.fspath(folder))
        if not exists(tree, PHOTON_RELEASE):
            raise GuestError(
                f"{folder} is no root filesystem of Photon OS: it has no {PHOTON_RELEASE}",
                hint="name the folder that holds etc and usr",
            )
        plan = fetched_for(_plan_for(request, tree), tree, *tools, offline=request.offline)
        found = operations(tree, plan.steps, reproducible.timestamp())
        for op in () if only_check else found:
            tree.apply(op)
    except OSError as error:
        hint = _AS_ROOT if isinstance(error, PermissionError) else ""
        raise refusal(error, folder, hint=hint) from error
    return found


def _plan_for(request: Request, tree: Tree) -> Plan:
    """Return the plan of a spec for the base that a tree is."""
    features = features_for(request.spec, request.target, features_of(request.spec.keys))
    plan = make_plan(request.spec, features, facts=facts_of_tree(tree), announce=request.announce)
    return plan if request.target.has_defaults else plan.without_defaults()
