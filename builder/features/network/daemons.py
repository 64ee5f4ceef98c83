"""The units without which no network file means anything; no feature itself."""

from collections.abc import Iterator

from builder.changes import SetUnitState, UnitState
from builder.features import Reasoned, Requested


def daemon_changes() -> Iterator[Requested]:
    """Yield what starts networkd and resolved, where the base has them."""
    for unit in ("systemd-networkd.service", "systemd-resolved.service"):
        state = SetUnitState(unit, UnitState.ENABLED, if_present=True)
        yield Reasoned(state, "it brings the interfaces and the name servers up")
