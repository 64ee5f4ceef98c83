"""What is asked for when an artifact is built, and what came of it."""

from collections.abc import Callable
from pathlib import Path

from builder.errors import Diagnostic
from builder.lock import Lock
from builder.spec import Spec
from builder.structs import Struct, field
from builder.targets import Target


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
    warnings: tuple[Diagnostic, ...] = ()
