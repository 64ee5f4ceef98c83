"""What keeps ssh host keys that the image brings; no feature of its own."""

import re
from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import WriteFile
from builder.features import Context, Reasoned
from builder.guestpath import GuestPath, guest

CLOUD = guest("/etc/cloud/cloud.cfg.d/99-photon-builder-host-keys.cfg")
_KEY = re.compile(r"/etc/ssh/ssh_host_[a-z0-9]+_key")


def is_host_key(path: GuestPath) -> bool:
    """Return whether a path is that of a private host key."""
    return bool(_KEY.fullmatch(path))


def kept_changes(context: Context) -> Iterator[Reasoned]:
    """Yield cloud-init's leave to keep host keys, where there may be a cloud-init."""
    if context.facts.cloud_init is not None:
        yield Reasoned(
            WriteFile(CLOUD, Blob.text("ssh_deletekeys: false\n")),
            "cloud-init would delete the host keys on the first boot and make others",
        )
