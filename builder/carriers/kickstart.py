"""Carry a plan by way of Photon's installer: few keys, and one bundle for all else.

A native key is used for what must precede post-install (packages), and for what the installer
would write over afterwards (hostname, root's password): it runs its own modules in directory
order. All of the plan but the packages is applied after that, by the engine, in the new system.
"""

from collections.abc import Sequence

from builder.blob import Blob
from builder.carriers import script
from builder.changes import (
    Change,
    InstallPackages,
    MakeDirectory,
    MakeSymlink,
    SetPassword,
    SetUnitState,
    UnitState,
    WriteFile,
)
from builder.changes import replace as changed
from builder.engine.edit import refuse_volatile
from builder.errors import GuestError
from builder.guest import installer
from builder.guestpath import guest, join, name
from builder.plan import Step
from builder.structs import Struct, field, replace

_HOSTNAME = guest("/etc/hostname")
_OVERWRITTEN = frozenset(map(guest, ("/etc/locale.conf", "/etc/resolv.conf")))
"""What the installer writes or removes when the plan may have been applied already."""

_LATE = join(script.STATE, "late")
_NEVER_DAYS = 99999


class InstallerInput(Struct):
    """What the installer is given.

    Attributes:
        packages: Names for the package manager.
        rpms: RPM files that join the repository of the ISO.
        hostname: Name of the machine, empty when the plan leaves it.
        root_password: The change that sets root's password.
        steps: What the engine applies after the installation.
    """

    packages: list[str] = field(default_factory=list)
    rpms: list[tuple[str, Blob]] = field(default_factory=list)
    hostname: str = ""
    root_password: SetPassword | None = None
    steps: list[Step] = field(default_factory=list)


def render(steps: Sequence[Step]) -> InstallerInput:
    """Divide a plan between the installer's keys and what is applied after it.

    What the plan leaves open is stated where an installed system may differ from a disk.

    Args:
        steps: In canonical order.

    Raises:
        GuestError: a step would have no effect; its notes name the key that asked.
    """
    out = InstallerInput()
    for step in steps:
        try:
            _add(out, step)
        except GuestError as error:
            error.add_note(f"asked for by {step}")
            raise
    decided = {step.change.unit for step in steps if isinstance(step.change, SetUnitState)}
    for unit in installer.DISK_UNITS:
        if unit not in decided:
            state = SetUnitState(unit, UnitState.ENABLED, if_present=True, preset=False)
            out.steps.append(Step(state, "as on a disk"))
    return out


def _add(out: InstallerInput, step: Step) -> None:
    """Add one step."""
    change = step.change
    if isinstance(change, InstallPackages):
        out.packages += change.names
        out.rpms += change.files
        return
    if isinstance(change, WriteFile | MakeDirectory | MakeSymlink):
        refuse_volatile(change.path, change.path)
    _add_key(out, change)
    out.steps.append(step)
    if isinstance(change, WriteFile | MakeSymlink) and change.path in _OVERWRITTEN:
        late = changed(change, path=join(_LATE, name(change.path)))
        out.steps.append(replace(step, change=late))


def _add_key(out: InstallerInput, change: Change) -> None:
    """Add what the installer would write over, if its key did not say the same."""
    if isinstance(change, WriteFile) and change.path == _HOSTNAME:
        with change.content.open() as stream:
            out.hostname = stream.read().decode(errors="replace").strip()
    if isinstance(change, SetPassword) and change.user == "root":
        out.root_password = change


def kickstart_password(change: SetPassword) -> dict[str, object]:
    """Return the installer's words for root's password: always a hash."""
    days = -1 if change.max_days == _NEVER_DAYS else change.max_days
    return {"crypted": True, "text": change.hash, "age": 0 if change.must_change else days}
