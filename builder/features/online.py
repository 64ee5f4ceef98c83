"""How long a boot waits for the network; no feature itself.

Source: systemd-networkd-wait-online(8): without options it waits two minutes for all interfaces.
docker.service of every Photon is ordered after network-online.target, and an order cannot be taken
away by a drop-in, so what the boot waits for has to end earlier.
"""

from collections.abc import Iterator
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.engine.text.systemd import ETC
from builder.features import Context, Reasoned, Requested
from builder.guest import mount_types, networkd
from builder.guestpath import join

INTERFACE = "wlan0"
"""Photon's kernel command line has net.ifnames=0, so that is what the board's radio is called."""

_UNIT = "systemd-networkd-wait-online.service"
_PROGRAM = "/usr/lib/systemd/systemd-networkd-wait-online"
_SECONDS = 20
_NEEDING = ("first_boot",)
"""Keys whose units wait for a network."""


def wish_wait(context: Context) -> Iterator[Requested]:
    """Yield the drop-in that shortens the wait, when the spec gives a reason to."""
    words, reasons = [], []
    if "wifi" in context.overlay:
        # systemd before 242 can wait for all interfaces, or for those that are named.
        is_old = context.release in networkd.OLD_RELEASES
        words.append(f"--interface={INTERFACE}" if is_old else "--any")
        reasons.append("the boot must not wait for a cable")
    if _is_local(context):
        words.append(f"--timeout={_SECONDS}")
        reasons.append("nothing that starts at boot needs the network")
    if words:
        text = f"[Service]\nExecStart=\nExecStart={_PROGRAM} {' '.join(words)}\n"
        path = join(ETC, f"{_UNIT}.d", "10-photon-builder.conf")
        yield Reasoned(WriteFile(path, Blob.text(text)), "; ".join(reasons))


def _is_local(context: Context) -> bool:
    """Return whether all projects have their images inside, and nothing else waits for a server."""
    projects: list[Any] = list(context.overlay.get("compose", {}).values())
    mounts = context.overlay.get("mounts", ())
    has_share = any(mount.get("type") in mount_types.NETWORK_TYPES for mount in mounts)
    is_needed = has_share or any(key in context.overlay for key in _NEEDING)
    return bool(projects) and all(each.get("preload") for each in projects) and not is_needed
