"""What can still be judged of a spec in which something is wrong: everything else.

Two drafts are made of it. One lacks what is wrong; the other has it as it was written. What is
found in both of them holds whatever is to become of the wrong parts, so it is no consequence of
them: a group that is missing because its mapping is invalid is missing in one draft only.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from builder.documents import Document
from builder.errors import Diagnostic, KeyPath
from builder.schema import Entry
from builder.spec import targets as kinds
from builder.spec.base import Base, FileBase, SampleBase
from builder.spec.overlays import Overlay
from builder.structs import Struct, replace

_NO_BASE: tuple[Base, Base] = SampleBase(), FileBase(Path("/dev/null"), {})
"""Two that nothing is true of alike, for a spec without a valid base."""


class Sketch(Struct, frozen=True):
    """A draft of a spec.

    Attributes:
        document: The file.
        overlays: Its overlays.
        base: What it starts from.
        targets: Its targets that are known.
    """

    document: Document
    overlays: tuple[Overlay, ...]
    base: Base
    targets: tuple[str, ...]

    @property
    def values(self) -> Mapping[str, Any]:
        """The top of the file."""
        value = self.document.value
        return value if isinstance(value, dict) else {}


class Wrong(Struct, frozen=True):
    """A part of a file that is wrong."""

    document: Document
    path: KeyPath


def draft(
    document: Document,
    overlays: Iterable[Overlay],
    base: Base,
    known: Mapping[str, Entry],
    wrong: Collection[Wrong] = (),
) -> Sketch:
    """Return a draft without what is wrong."""
    found = []
    for overlay in overlays:
        pruned = _pruned(overlay.document, wrong)
        values = pruned.value
        for key in overlay.prefix:
            values = values.get(key) if isinstance(values, dict) else None
        kept = values if isinstance(values, dict) else {}
        found.append(replace(overlay, document=pruned, values=kept))
    pruned = _pruned(document, wrong)
    names = kinds.chosen(pruned.value) if isinstance(pruned.value, dict) else ()
    return Sketch(pruned, tuple(found), base, tuple(name for name in names if name in known))


def bases_for(start: Base | None) -> tuple[Base, Base]:
    """Return what the two drafts start from."""
    return (start, start) if start else _NO_BASE


def independent(
    found: Iterable[Iterable[Diagnostic]], known: Collection[Diagnostic]
) -> list[Diagnostic]:
    """Return the errors that are found in each draft, in other places than those known.

    Args:
        found: What is wrong with each.
        known: What is wrong with the parts that are not valid.
    """
    taken = {problem.place for problem in known if problem.is_error}
    each = [set(problems) for problems in found]
    return [
        problem
        for problem in (set.intersection(*each) if each else ())
        if problem.is_error and problem.place and problem.place not in taken
    ]


def _pruned(document: Document, wrong: Collection[Wrong]) -> Document:
    """Return a file without its parts that are wrong."""
    return document.without([each.path for each in wrong if each.document is document])
