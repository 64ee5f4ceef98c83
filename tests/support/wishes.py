"""Plans one feature's value in memory: what it changes, why, and what is wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict, Unpack

from builder.changes import Change, EnsureLine, MakeSymlink, SetUnitState, WriteFile
from builder.errors import Diagnostic
from builder.facts import Facts, facts_of
from builder.features import Context, Feature, Reasoned
from builder.image_names import Pin


class Known(TypedDict, total=False):
    """What a test tells a feature besides its value."""

    release: str
    arch: str
    facts: Facts
    pins: Mapping[str, Pin]
    announce: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What a feature yielded, told apart."""

    changes: tuple[Change, ...]
    reasons: tuple[str, ...]
    faults: tuple[Diagnostic, ...]

    @property
    def codes(self) -> list[str]:
        """The faults' codes."""
        return [fault.code for fault in self.faults]

    def file(self, path: str) -> WriteFile:
        """Return the one change that writes ``path``."""
        found = [c for c in self.changes if isinstance(c, WriteFile) and c.path == path]
        assert found, f"{path} is not written"
        assert all(change == found[0] for change in found)
        return found[0]

    def text(self, path: str) -> str:
        """Return the text that is written to ``path``."""
        with self.file(path).content.open() as stream:
            return stream.read().decode()

    def lines(self, path: str) -> list[str]:
        """Return the lines that are ensured in ``path``."""
        return [c.line for c in self.changes if isinstance(c, EnsureLine) and c.path == path]

    def links(self) -> dict[str, str]:
        """Return the links that are made."""
        return {c.path: c.target for c in self.changes if isinstance(c, MakeSymlink)}

    def units(self) -> dict[str, str]:
        """Return the units whose state is set."""
        return {c.unit: c.state.value for c in self.changes if isinstance(c, SetUnitState)}


def wish(
    feature: Feature,
    value: object,
    directory: Path = Path(),
    *,
    overlay: Mapping[str, Any] = MappingProxyType({}),
    **known: Unpack[Known],
) -> FetchOptions:
    """Return what ``feature`` makes of ``value``; the overlay holds it, and what is given."""
    whole = {feature.key: value, **overlay}
    known.setdefault("facts", facts_of(known.get("release", ""), arch=known.get("arch", "x86_64")))
    context = Context("homelab", directory, overlay=whole, **known)
    found = list(feature.changes(value, context))
    whys = [w for w in found if isinstance(w, Reasoned)]
    changes = [w.change if isinstance(w, Reasoned) else w for w in found]
    return FetchOptions(
        tuple(change for change in changes if not isinstance(change, Diagnostic)),
        tuple(why.reason for why in whys),
        tuple(change for change in changes if isinstance(change, Diagnostic)),
    )
