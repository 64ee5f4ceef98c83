"""Which targets are built: groups expanded, and what of a group is left out, with the reason."""

from collections.abc import Iterable, Mapping

from builder.catalog import find_source, list_artifacts
from builder.errors import UnsupportedError, UsageError
from builder.schema import Entry, left_out, members_of
from builder.spec.base import Base, CatalogBase
from builder.structs import Struct

_COMMON_ARCH = "x86_64"


class Omission(Struct, frozen=True):
    """A member of a group that is not built.

    Attributes:
        group: The group.
        name: The member.
        reason: Why it is left out, as a clause.
    """

    group: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.group} leaves out {self.name}: {self.reason}"


class Choice(Struct, frozen=True):
    """What a spec builds.

    Attributes:
        names: Single targets, each once, in the user's order.
        omitted: Members of groups that are left out.
    """

    names: tuple[str, ...]
    omitted: tuple[Omission, ...] = ()


def choose(names: Iterable[str], base: Base, known: Mapping[str, Entry]) -> Choice:
    """Return the single targets that ``names`` mean for a base; unknown names are skipped."""
    chosen: list[str] = []
    omitted: list[Omission] = []
    for name in names:
        entry = known.get(name)
        if entry is None:
            continue
        if not is_group(entry):
            chosen.append(name)
            continue
        out = {**_unpublished(members_of(entry), base), **left_out(entry)}
        omitted += [Omission(name, member, reason) for member, reason in out.items()]
        chosen += [member for member in members_of(entry) if member not in out]
    kept = tuple(dict.fromkeys(chosen))
    return Choice(kept, tuple(each for each in dict.fromkeys(omitted) if each.name not in kept))


def is_group(entry: Entry) -> bool:
    """Tell a name for several targets from a target."""
    return hasattr(entry, "members")


def _unpublished(members: tuple[str, ...], base: Base) -> dict[str, str]:
    """Return the members that the release of a catalog base does not have, with the reason.

    They are of one architecture: the common one, if any of them was published for it.
    """
    if not isinstance(base, CatalogBase):
        return {}
    where = f"{base.release} {base.revision}" if base.revision else base.release
    archs = {name: _archs(name, base) for name in members}
    every = {arch for found in archs.values() for arch in found}
    arch = base.arch or (_COMMON_ARCH if _COMMON_ARCH in every else "")
    found = {}
    for name, there in archs.items():
        if not there:
            found[name] = f"the catalog has no file of Photon {where} for it"
        elif arch and arch not in there:
            found[name] = f"Photon {where} has it for {', '.join(there)} alone, not for {arch}"
    return found


def _archs(target: str, base: CatalogBase) -> list[str]:
    """Return the architectures that a target was published for."""
    try:
        known = dict.fromkeys(source.arch for source in list_artifacts(base.release, target))
    except UsageError:
        return []
    found = []
    for arch in known:
        try:
            find_source(base.release, target, base.revision, arch)
        except (UsageError, UnsupportedError):
            continue
        found.append(arch)
    return found
