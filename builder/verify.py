"""Verifies a finished artifact against its plan, by opening it again.

The plan is worked out once more, against the finished file. When it holds, nothing would
have to be done; whatever would still have to be done is what the file lacks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from builder.carriers.edit import operations
from builder.changes import (
    FileOp,
    MakeDirectory,
    MakeSymlink,
    Remove,
    WriteFile,
)
from builder.engine.tree import Tree, ids, sha256_of
from builder.errors import FormatError, GuestError, VerifyError
from builder.formats.filesystem import Kind, Node
from builder.images import Image, open_image
from builder.job import Wanted
from builder.leaks import Leak, find_leaks
from builder.structs import Struct

WorkOut: TypeAlias = Callable[[Tree, Wanted], list[FileOp]]
"""Returns the operations that a root still needs."""


class UnlikeSpecError(VerifyError):
    """A valid file that differs from its spec; ``missing`` lists the differences."""

    def __init__(self, name: str, missing: tuple[str, ...]) -> None:
        super().__init__(
            f"{name} is not what the spec says: {'; '.join(missing)}",
            hint="build it again; if it fails again, report a bug",
        )
        self.name, self.missing = name, missing

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, self.missing)


class Proof(Struct, frozen=True):
    """Result of a verification.

    Attributes:
        kind: Container of the artifact.
        steps: Steps of the plan that were read out of it.
        leaks: Where secrets stand outside of their place.
    """

    kind: str
    steps: int
    leaks: tuple[Leak, ...] = ()


def verify(
    artifact: Path, wanted: Wanted | None, work_out: WorkOut | None, *, full: bool, name: str = ""
) -> Proof:
    """Check an artifact's container, and that every change of a plan is present.

    Args:
        artifact: The file.
        wanted: Expected content; ``None`` checks the container only.
        work_out: Computes the operations that it still needs; ``None`` for the plan
            lowered onto the root that the guest boots.
        full: Read all data of the container and check its digests, not just its structure.
        name: Name for messages, when the file has none yet.

    Raises:
        VerifyError: the container is damaged, or a change is missing.
    """
    shown = name or artifact.name
    try:
        with open_image(artifact) as image:
            image.check(full)
            if wanted is None:
                return Proof(image.kind, 0, _leaks_of_any(image) if full else ())
            root = image.root()
            missing = [difference(root, op) for op in (work_out or _lowered)(root, wanted)]
            missing += _hardware(image, wanted)
            if missing:
                raise UnlikeSpecError(shown, tuple(missing))
            return Proof(image.kind, len(wanted.plan.steps), find_leaks(image, wanted, full=full))
    except (FormatError, GuestError) as error:
        text = str(error)
        named = text if text.startswith(f"{shown}:") else f"{shown}: {text}"
        raise VerifyError(named, hint=error.hint) from error


def _leaks_of_any(image: Image) -> tuple[Leak, ...]:
    """Return world-readable private keys; a container without a system has none."""
    try:
        return find_leaks(image, None, full=True)
    except (FormatError, GuestError):
        return ()


def _hardware(image: Image, wanted: Wanted) -> list[str]:
    """Return how the hardware of an appliance differs from the spec."""
    if image.envelope is None:
        return []
    from builder.carriers.appliance import differences  # with the codecs of appliances

    return list(differences(image.envelope, wanted.options, wanted.name))


def _lowered(root: Tree, wanted: Wanted) -> list[FileOp]:
    """Return the operations that the root of a guest still needs."""
    return operations(root, wanted.plan.steps, wanted.timestamp)


def difference(root: Tree, op: FileOp) -> str:
    """Return how ``root`` differs from the result of ``op``."""
    node = root.lstat(op.path)
    if node is None:
        return f"{op.path} is missing"
    match op:
        case Remove():
            return f"{op.path} still exists"
        case MakeSymlink(target=target):
            return f"{op.path} is {_shown(node)}, not a link to {target}"
        case MakeDirectory(mode=mode, owner=owner):
            uid, gid = ids(owner)
            return f"{op.path} is {_shown(node)}, not a directory {mode:04o} {uid}:{gid}"
        case WriteFile(mode=mode, owner=owner, content=content):
            wanted = Node(Kind.FILE, mode, *ids(owner), content.size)
            if node.kind is Kind.FILE and sha256_of(root, op.path) != content.sha256:
                return f"{op.path} has other content"
            return f"{op.path} is {_shown(node)}, not {_shown(wanted)}"


def _shown(node: Node) -> str:
    """Return a node as text for messages."""
    link = f" to {node.target}" if node.kind is Kind.SYMLINK else ""
    return f"a {node.kind}{link} {node.mode:04o} {node.uid}:{node.gid}"
