"""What the state of one unit means for others; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import SetUnitState, UnitState
from builder.engine.text.unit_names import complete_name
from builder.features import Context, Reasoned, Requested

SSHD = "sshd.service"
SSHD_SOCKET = "sshd.socket"
"""Photon has both since 3.0 and enables both in 5.0 GA, where the socket wins: it serves port 22,
whatever sshd_config says, and the start of sshd.service is dropped from the boot."""

_BY_SOCKET = "sshd.socket would serve port 22 in its place: Photon 5.0 GA enables it too"
_WANTED_BY_CLOUD_INIT = frozenset({SSHD, "sshd-keygen.service"})
_BY_CLOUD_INIT = (
    "cloud-init.service starts {0} when it is only disabled; before a start by hand: "
    "systemctl unmask {0}"
)


def state_changes(
    unit: str, state: UnitState, context: Context, reason: str = ""
) -> Iterator[Requested]:
    """Yield the state of a unit, and of those that would undo it."""
    wanted = unit in _WANTED_BY_CLOUD_INIT and _has_cloud_init(context)
    if wanted and state is UnitState.DISABLED:
        state, reason = UnitState.MASKED, reason or _BY_CLOUD_INIT.format(unit)
    yield Reasoned(SetUnitState(unit, state), reason)
    if unit == SSHD and SSHD_SOCKET not in named_units(context.overlay):
        other = UnitState.MASKED if state is UnitState.MASKED else UnitState.DISABLED
        yield Reasoned(SetUnitState(SSHD_SOCKET, other, if_present=True), _BY_SOCKET)


def _has_cloud_init(context: Context) -> bool:
    """Return whether the machine may have cloud-init: only a base that is known has none."""
    brought = "cloud-init" in context.overlay.get("packages", ())
    return brought or context.facts.cloud_init is not None


def named_units(overlay: Mapping[str, Any]) -> set[str]:
    """Return the units whose state the spec decides by name."""
    listed = (name for names in overlay.get("services", {}).values() for name in names)
    stated = (name for name, each in overlay.get("units", {}).items() if "enable" in each)
    return {complete_name(name) for name in (*listed, *stated)}
