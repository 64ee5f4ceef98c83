"""What a recipe is given, and what it gives back."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.plan import Plan
from builder.progress import Progress, Silent
from builder.structs import Struct, field

if TYPE_CHECKING:
    from builder.formats.bmap import BackgroundMap


class Wanted(Struct, frozen=True):
    """What an artifact shall hold, whatever it is made from.

    Attributes:
        plan: Changes that the target can carry, with their content on this machine.
        name: The spec's name.
        timestamp: Seconds since the epoch for every time that is written down.
        sections: Sections of the spec that its target takes, by name.
        options: The spec's ``output`` section.
    """

    plan: Plan
    name: str
    timestamp: int
    sections: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class Job(Struct, frozen=True):
    """One artifact to make.

    Attributes:
        base: The upstream artifact; its digest is being checked and must hold before publishing.
        plan: Changes that the target can carry, with their content on this machine.
        fd: An empty file, open for reading and writing, that becomes the artifact.
        name: The spec's name.
        is_pinned: Whether the base's digest was published, and so vouches for what is inside.
        timestamp: Seconds since the epoch for every time that is written down.
        options: The spec's ``output`` section.
        progress: Where the copying is shown.
        sections: Sections of the spec that the target takes, by name.
        directory: A folder for scratch files, on the artifact's filesystem.
        base_map: What a base that is mostly holes holds, being found out.
    """

    base: Path
    plan: Plan
    fd: int
    name: str
    timestamp: int
    is_pinned: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)
    sections: Mapping[str, Any] = field(default_factory=dict)
    directory: Path = Path()
    base_map: "BackgroundMap | None" = None

    @property
    def wanted(self) -> Wanted:
        """What the artifact shall hold."""
        return Wanted(self.plan, self.name, self.timestamp, self.sections, self.options)


class Made(Struct, frozen=True):
    """What a recipe reports.

    Attributes:
        sha256: Digest of the whole file, taken from the file as it was written; empty when a
            block map beside it has the digests.
        size: Its length.
        operations: How many file operations the base needed.
        new_size: Bytes that were not copied from the base.
        content: ``size`` and ``sha256`` of what a compressed card image unpacks to.
        beside: Text files that belong to the artifact, by what follows its name.
    """

    sha256: str
    size: int
    operations: int
    new_size: int
    beside: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, int | str] | None = None
