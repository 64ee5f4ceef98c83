"""Kernel parameters, sysctl.d(5)."""

from collections.abc import Iterator, Mapping

from builder.changes import EnsureLine
from builder.features import Context, Feature, Wish, form
from builder.guest import patterns
from builder.guestpath import guest

SCHEMA = {
    "type": "object",
    "description": "Kernel parameters by name, set at every boot (sysctl.d(5)).",
    "propertyNames": form(
        r"^-?[A-Za-z0-9_*:-]+([./][A-Za-z0-9_*:-]+)+$", "a key such as net.ipv4.ip_forward"
    ),
    "additionalProperties": {
        "type": ["string", "integer"],
        **form(r"^[^\n]*$", "one line"),
    },
}
FILE = guest("/etc/sysctl.d/90-photon-builder.conf")
"""Sorts after Photon's 50-security-hardening.conf, which turns forwarding off."""


def changes(value: Mapping[str, str | int], _: Context) -> Iterator[Wish]:
    """Yield one line a parameter, so that overlays may each bring some."""
    for key, setting in sorted(value.items()):
        yield EnsureLine(FILE, f"{key} = {setting}", replaces=patterns.key_line(key))


FEATURE = Feature("sysctl", "Kernel parameters", SCHEMA, changes, "{net.ipv4.ip_forward: 1}")
