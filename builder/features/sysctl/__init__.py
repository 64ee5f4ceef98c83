"""Kernel parameters, sysctl.d(5)."""

import fnmatch
from collections.abc import Iterator, Mapping

from builder.changes import EnsureLine
from builder.features import Context, Feature, Reasoned, Requested, form
from builder.features.sysctl.faults import iter_faults
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

AFTER_FIREWALL = guest("/etc/systemd/system/iptables.service.d/50-photon-builder-sysctl.conf")
_FIREWALL = "iptables.service"
_APPLY = "ExecStartPost=-/usr/lib/systemd/systemd-sysctl --prefix={}"
"""Of one parameter alone: Docker may have set others since sysctl.d was applied first."""


def changes(value: Mapping[str, str | int], context: Context) -> Iterator[Requested]:
    """Yield one line a parameter, so that overlays may each bring some."""
    for key, setting in sorted(value.items()):
        yield from iter_faults(key, setting)
        yield EnsureLine(FILE, f"{key} = {setting}", replaces=patterns.key_line(key))
        for wish in last_changes(key, setting, context):
            yield Reasoned(wish.change, wish.reason, (key,))


def last_changes(key: str, setting: str | int, context: Context) -> Iterator[Reasoned]:
    """Yield what applies a parameter again after Photon's packet filter, which sets some, too."""
    if context.facts.has_unit(_FIREWALL) is False:
        return
    pattern = key.removeprefix("-").replace("/", ".")
    for name, value in context.facts.firewall.sysctls.items():
        if fnmatch.fnmatchcase(name, pattern) and str(setting).strip() != str(value):
            reason = f"{_FIREWALL} sets {name} to {value} at each boot, after sysctl.d is applied"
            yield Reasoned(EnsureLine(AFTER_FIREWALL, "[Service]", before=""), reason)
            yield Reasoned(EnsureLine(AFTER_FIREWALL, _APPLY.format(name)), reason)


FEATURE = Feature("sysctl", "Kernel parameters", SCHEMA, changes, "{net.ipv4.ip_forward: 1}")
