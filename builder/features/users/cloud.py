"""Settings of cloud-init that keep it from changing accounts; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.features import Context, Reasoned
from builder.guestpath import guest

CLOUD = guest("/etc/cloud/cloud.cfg.d/99-photon-builder-users.cfg")
_LOCKED = {"locked": True}
_ROOT = "{name: root, lock_passwd: false}"
_ENABLED = "disable_root: false\n"


def root_kept_changes(root: Mapping[str, Any], context: Context) -> Iterator[Reasoned]:
    """Yield cloud-init's leave to keep root's password and keys.

    ``users`` is a list, and the one that is read last takes the place of all others: an image
    that has cloud-init make the user of the cloud's portal, ``default``, must go on doing so.
    """
    if root.get("password", {}) == _LOCKED or not root.keys() & {"password", "ssh_keys"}:
        return
    cloud = context.facts.cloud_init
    others = "default, " if cloud and cloud.users == "default" else ""
    text = f"users: [{others}{_ROOT}]\n{_ENABLED}" if "password" in root else _ENABLED
    reason = "cloud-init would lock root again"
    if others and "password" in root:
        reason += "; `default` is the account that the cloud's portal names"
    yield Reasoned(WriteFile(CLOUD, Blob.text(text)), reason)
