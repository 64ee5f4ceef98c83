"""Servers that the clock is set by, timesyncd.conf(5)."""

import re
from collections.abc import Iterator, Mapping, Sequence

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.errors import Diagnostic, Severity
from builder.features import Context, Feature, Reasoned, Requested
from builder.guestpath import guest

_SERVERS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
SCHEMA = {
    "type": "object",
    "description": "Time servers. Those of a DHCP lease are asked first.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "servers": {**_SERVERS, "description": "Asked in this order: names or addresses."},
        "fallback": {**_SERVERS, "description": "Asked when no other server is known."},
    },
}
FILE = guest("/etc/systemd/timesyncd.conf.d/10-photon-builder.conf")
_UNIT = "systemd-timesyncd.service"
_OTHERS = {"ntp": "ntpd", "chrony": "chronyd"}
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]+")
_KEYS = {"servers": "NTP", "fallback": "FallbackNTP"}


def changes(value: Mapping[str, Sequence[str]], context: Context) -> Iterator[Requested]:
    """Yield the drop-in and the daemon that reads it."""
    lines = ["[Time]"]
    for key, name in _KEYS.items():
        for index, server in enumerate(value.get(key, ())):
            if not _SERVER.fullmatch(server):
                message = f"{server!r} is not a valid name or address of a server"
                yield Diagnostic(
                    message, "NTP001", "write one such as 0.pool.ntp.org", (key, index)
                )
        if key in value:
            lines.append(f"{name}={' '.join(value[key])}")
    yield WriteFile(FILE, Blob.text("".join(f"{line}\n" for line in lines)))
    yield Reasoned(SetUnitState(_UNIT, UnitState.ENABLED), "it asks the servers under `ntp`")
    for package, daemon in _OTHERS.items():
        brought = package in context.overlay.get("packages", ())
        if (brought or context.facts.has_package(package)) and not _is_off(daemon, context):
            message = f"{daemon} sets the clock, too, and does not ask the servers under `ntp`"
            hint = f"add services: {{mask: [{daemon}]}}, or configure it with `files`"
            yield Diagnostic(message, "NTP002", hint, severity=Severity.WARNING)


def _is_off(daemon: str, context: Context) -> bool:
    """Return whether the spec keeps a daemon from running."""
    services = context.overlay.get("services", {})
    off = (*services.get("disable", ()), *services.get("mask", ()))
    return bool({daemon, f"{daemon}.service"} & set(off))


FEATURE = Feature(
    "ntp", "Time servers", SCHEMA, changes, "{servers: [192.168.1.1, 0.pool.ntp.org]}"
)
