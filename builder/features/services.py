"""Which systemd units are enabled, disabled or masked."""

from collections.abc import Iterator, Mapping, Sequence

from builder.changes import UnitState
from builder.engine.text.unit_names import complete_name, is_name
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested
from builder.features.unit_states import state_changes

_UNITS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_STATES = {
    "enable": UnitState.ENABLED,
    "disable": UnitState.DISABLED,
    "mask": UnitState.MASKED,
}
SCHEMA = {
    "type": "object",
    "description": "Units by the state they should have; `docker` is short for docker.service.",
    "additionalProperties": False,
    "properties": {
        "enable": {**_UNITS, "description": "Started at boot; a mask is taken off."},
        "disable": {
            **_UNITS,
            "description": "Not started at boot, unless another unit "
            "starts it; `sshd` is masked, as cloud-init would start it.",
        },
        "mask": {**_UNITS, "description": "Cannot be started at all."},
    },
}


def changes(value: Mapping[str, Sequence[str]], context: Context) -> Iterator[Requested]:
    """Yield one state a unit."""
    seen: dict[str, str] = {}
    for verb, state in _STATES.items():
        for index, given in enumerate(value.get(verb, ())):
            unit = complete_name(given)
            path = (verb, index)
            if not is_name(unit):
                yield Diagnostic(
                    f"{given!r} is not a valid unit name", "SVC010", "try docker.service", path
                )
            elif unit in seen:
                message = f"{unit} is under {seen[unit]} and under {verb}; wanted one of them"
                yield Diagnostic(message, "SVC011", "drop one", path)
            else:
                seen[unit] = verb
                yield from state_changes(unit, state, context)


FEATURE = Feature(
    "services", "Enable, disable or mask units", SCHEMA, changes, "{enable: [docker], mask: []}"
)
