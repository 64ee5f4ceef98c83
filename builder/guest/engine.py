"""The container engine's files: daemon.json, drop-ins of its unit, and the seccomp profile.

Source: dockerd(8), moby's daemon/config (keys of daemon.json) and cmd/dockerd (a key that is
also an argument is refused). What a revision's engine knows comes from the facts.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.engine.text.systemd import ETC
from builder.facts import Facts
from builder.guestpath import GuestPath, guest, join

DAEMON = guest("/etc/docker/daemon.json")
PROFILE = guest("/etc/docker/seccomp-photon.json")
PROFILE_KEY = "seccomp-profile"
SOCKET = "/var/run/docker.sock"
"""Where the command line looks for the engine, and what docker.socket listens on."""

DROPIN = "10-photon-builder.conf"
AFTER_FILTER = "[Unit]\nAfter=iptables.service\n"
RESTART = "[Service]\nExecStartPost=-/usr/bin/systemctl --no-block try-restart docker.service\n"

CONTAINERD_ROOT = ("containerd.service", "/var/lib/containerd")
"""Unit, and where it keeps what it unpacks."""

_DATA_ROOT = "/var/lib/docker"
_DATA = Path(__file__).parents[1] / "data"
_LIVE_RESTORE = "live-restore"
_PROGRAM = "/usr/bin/dockerd"


def dropin(unit: str, name: str = DROPIN) -> GuestPath:
    """Return the path of a drop-in of a unit."""
    return join(ETC, f"{unit}.d", name)


def data_root(settings: Mapping[str, Any]) -> str:
    """Return where the engine keeps images, containers and volumes; ``graph`` is the old key."""
    return str(settings.get("data-root") or settings.get("graph") or _DATA_ROOT)


def profile_of(facts: Facts) -> Path | None:
    """Return the seccomp profile that the base's engine needs; ``None`` when its own will do."""
    kernel = facts.docker.seccomp_profile if facts.release else ""
    return _DATA / f"seccomp-{kernel}.json" if kernel else None


def daemon_settings(given: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Return the settings of the engine: ours, with those of the spec in their place."""
    driver = "local" if facts.docker.has_local_log_driver else "json-file"
    options = {"max-size": "10m", "max-file": "3"}
    ours = {"log-driver": driver, "log-opts": options, _LIVE_RESTORE: True}
    if "log-driver" in given and "log-opts" not in given:
        del ours["log-opts"]
    if profile_of(facts) is not None:
        ours[PROFILE_KEY] = str(PROFILE)
    return {**ours, **given}


def format_daemon(settings: Mapping[str, Any]) -> str:
    """Return the text of daemon.json."""
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def command_dropin(given: Mapping[str, Any], facts: Facts) -> str:
    """Return the drop-in by which dockerd is not told what daemon.json says, too.

    Empty where nothing is said twice: the unit of docker 18.06 has no arguments.
    """
    units = facts.docker.units
    own = {"hosts": "-H fd://", "containerd": "--containerd=/run/containerd/containerd.sock"}
    if not own.keys() & given.keys() or (facts.release and "docker.socket" not in units):
        return ""
    kept = [text for key, text in own.items() if facts.release and key not in given]
    return f"[Service]\nExecStart=\nExecStart={' '.join((_PROGRAM, *kept))}\n"
