"""The container engine: on at boot, its settings, and peace with the packet filter."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.features import Because, Context, Feature, Wish
from builder.guest.systemd import ETC
from builder.guestpath import guest, join

SCHEMA = {
    "type": "object",
    "description": "Docker; a `compose` key brings all of this along.",
    "additionalProperties": False,
    "properties": {
        "enable": {"type": "boolean", "description": "Start it at boot; yes by default."},
        "daemon": {
            "type": "object",
            "description": "Keys of daemon.json; ours for logs and live-restore stay unless named.",
        },
        "compose_plugin": {
            "enum": ["static", "base"],
            "description": "`docker compose` for `compose`: a pinned download, which is the "
            "default, or what the base or `packages` bring.",
        },
    },
}
DAEMON = guest("/etc/docker/daemon.json")
_DEFAULTS: Mapping[str, Any] = {
    "log-driver": "local",
    "log-opts": {"max-size": "10m", "max-file": "3"},
    "live-restore": True,
}
_DROPIN = "10-photon-builder.conf"
_AFTER_FILTER = "[Unit]\nAfter=iptables.service\n"
_RESTART = "[Service]\nExecStartPost=-/usr/bin/systemctl --no-block try-restart docker.service\n"


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Wish]:
    """Yield the engine's state and settings."""
    if value.get("enable", True):
        yield from wish_engine(context, "docker is asked for", value)
    else:
        for unit in ("docker.service", "docker.socket"):
            yield SetUnitState(unit, UnitState.DISABLED, if_present=True)


def wish_engine(
    context: Context, reason: str, value: Mapping[str, Any] | None = None
) -> Iterator[Wish]:
    """Yield all that the engine needs; equal wishes of several apps become one."""
    given = context.overlay.get("docker", {}) if value is None else value
    settings = _with_defaults(given.get("daemon", {}))
    yield Because(SetUnitState("docker.service", UnitState.ENABLED), reason)
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    yield Because(
        WriteFile(DAEMON, Blob.text(f"{text}\n")), "container logs must not fill the disk"
    )
    yield Because(
        WriteFile(join(ETC, "docker.service.d", _DROPIN), Blob.text(_AFTER_FILTER)),
        "iptables.service flushes docker's rules when it starts after docker",
    )
    yield Because(
        WriteFile(join(ETC, "iptables.service.d", _DROPIN), Blob.text(_RESTART)),
        "a restart of iptables.service flushes docker's rules; docker writes them when it starts",
    )


def _with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return daemon.json's settings: ours, with those of the spec in their place."""
    defaults = dict(_DEFAULTS)
    if "log-driver" in given and "log-opts" not in given:
        del defaults["log-opts"]
    return {**defaults, **given}


FEATURE = Feature("docker", "The container engine", SCHEMA, changes, "{enable: true}")
