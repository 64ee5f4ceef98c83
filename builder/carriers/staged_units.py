"""Units that packages will bring on the first boot: what can be settled now, and what then.

Presets decide when a package is installed, and a mask holds before its unit is there. The links
of a unit are made by its own ``[Install]`` section, which nobody has before the installation, so
the script that installs enables it, and from the next boot on it runs by its links.
"""

from collections.abc import Iterator

from builder.blob import Blob
from builder.carriers.units import (
    add_preset,
    find_unit,
    lower_unit_state,
    no_unit,
    set_mask,
    take_mask,
)
from builder.changes import FileOp, SetUnitState, UnitState, WriteFile
from builder.errors import GuestError
from builder.facts import Facts, facts_of_build
from builder.guest import packages
from builder.guest.os_release import OS_RELEASE, PHOTON_RELEASE, parse_release
from builder.roots import Root
from builder.roots.resolve import exists, read_text

_STARTED = "started"
"""The state of a unit that is enabled already, and may have missed its start."""


def lower_state(change: SetUnitState, root: Root) -> Iterator[FileOp]:
    """Yield what puts a unit into a state, be it there or still to come.

    Raises:
        GuestError: the base has no such unit and no package brings it, or it cannot be enabled.
    """
    is_there = find_unit(change.unit, root) is not None
    if not is_there and _is_coming(change, root):
        yield from _prepare(change, root)
    elif not is_there and not change.if_present:
        raise no_unit(change.unit, _facts(root).package_for_unit(change.unit))
    else:
        yield from lower_unit_state(change, root)
        if change.state is UnitState.ENABLED and is_there and exists(root, packages.WANTED):
            yield _note(_STARTED, change.unit, root)


def _is_coming(change: SetUnitState, root: Root) -> bool:
    """Return whether packages that wait for the first boot bring a unit, or may do so."""
    names = read_text(root, packages.WANTED, missing="").split()
    if not names:
        return False
    brings = _facts(root).brings(names, change.unit)
    if brings is False and exists(root, packages.REPOSITORY):
        brings = None
    return brings is True or (brings is None and not change.if_present)


def _prepare(change: SetUnitState, root: Root) -> Iterator[FileOp]:
    """Yield what is settled before a unit is there, and a note for what is not."""
    if change.state is UnitState.MASKED:
        yield from set_mask(change.unit, root)
    else:
        yield from take_mask(change.unit, root)
    yield from add_preset(change.unit, root, enable=change.state is UnitState.ENABLED)
    yield _note(change.state, change.unit, root)


def _note(state: str, unit: str, root: Root) -> FileOp:
    """Return the list of units with a line for one more."""
    lines = {*read_text(root, packages.STATES, missing="").splitlines(), f"{state} {unit}"}
    return WriteFile(packages.STATES, Blob.text("".join(f"{line}\n" for line in sorted(lines))))


def _facts(root: Root) -> Facts:
    """Return what is known of the base that a root is."""
    texts = (read_text(root, path, missing="") for path in (OS_RELEASE, PHOTON_RELEASE))
    try:
        release = parse_release(*texts)
    except GuestError:
        return facts_of_build("", "")
    return facts_of_build(release.version, release.build)
