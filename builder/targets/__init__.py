"""What can be built. Each module here is one target; the file is enough."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from builder.changes import Change, FileOp
from builder.engine.tree import Tree
from builder.facts import Facts
from builder.job import Job, Made, Wanted
from builder.structs import Struct, field


class Target(Struct, frozen=True):
    """One kind of artifact.

    Attributes:
        name: What the user types: a name of Photon's targetList.
        summary: One line for the reference and ``photon-builder targets``.
        suffix: What follows the spec's name in the artifact's file name.
        supports: The change types that the recipe can carry.
        recipe: Makes the artifact in ``job.fd``.
        sample: Makes a sample base of this kind in the file that is open as the given
            descriptor; timestamp and facts follow, whose image and release decide its content.
        options: JSON Schema of each key that the target takes from ``output``.
        sections: JSON Schema of each section that the target takes from the top of the spec;
            one that is ``required`` by its own schema has to be there.
        work_out: Returns what would still have to be done to a root; ``None`` for lowering the
            plan onto the root that the guest boots. The finished artifact is proved with it.
        suffix_for: Returns the suffix that the ``output`` section asks for, when that decides it.
        takes: Keys of an overlay that mean something for it; empty: all.
        has_defaults: Whether features mean something by their defaults here.
        is_board: Whether it is a card for a board: features for boards are for it alone.
        boards: Release to the tags that Raspberry Pi Imager has for the boards it runs on; the
            empty release stands for any other.
        image: Photon's name of the image that it starts from, by which the facts know it; empty
            when they do not.
        warn: Returns what a person must know before building, from the sections.
    """

    name: str
    summary: str
    suffix: str
    supports: frozenset[type[Change]]
    recipe: Callable[[Job], Made]
    sample: Callable[[int, int, Facts], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    work_out: Callable[[Tree, Wanted], list[FileOp]] | None = None
    suffix_for: Callable[[Mapping[str, Any]], str] | None = None
    takes: frozenset[str] = frozenset()
    has_defaults: bool = True
    boards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_board: bool = False
    image: str = ""
    warn: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda _: ()

    def suffix_with(self, output: Mapping[str, Any]) -> str:
        """Return what follows the spec's name in the artifact's, its ``output`` being so."""
        return self.suffix_for(output) if self.suffix_for else self.suffix


class Group(Struct, frozen=True):
    """A name for several targets; it has no recipe of its own.

    Attributes:
        name: What the user types.
        summary: One line for the reference.
        members: Names of targets; those that the release of a base does not have are left out.
        left_out: What Photon's group of that name has and this one never builds, with the reason.
    """

    name: str
    summary: str
    members: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def discover() -> dict[str, Target | Group]:
    """Return every target and group in this package, by name."""
    modules = (
        importlib.import_module(m.name) for m in pkgutil.iter_modules(__path__, f"{__name__}.")
    )
    entries = [module.TARGET for module in modules if hasattr(module, "TARGET")]
    return {entry.name: entry for entry in entries}
