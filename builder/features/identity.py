"""What must differ between machines made from one image: ids, host keys, entropy."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import Remove, WriteFile
from builder.features import Context, Feature, Reasoned, Requested
from builder.features.host_keys import kept_changes
from builder.guestpath import guest

SCHEMA = {
    "enum": ["reset", "keep"],
    "default": "reset",
    "description": "`reset`: every machine gets its own id, ssh host keys and seed on its first "
    "boot; `keep` leaves those of the base.",
}
_KEYS = [f"/etc/ssh/ssh_host_{kind}_key" for kind in ("rsa", "dsa", "ecdsa", "ed25519")]
_CLOUD = ("data", "handlers", "instance", "instances", "scripts", "sem")
"""What cloud-init remembers of a boot; a ``seed`` beside it is somebody's configuration."""

GONE = (
    *_KEYS,
    *(f"{key}.pub" for key in _KEYS),
    "/var/lib/systemd/random-seed",
    *(f"/var/lib/cloud/{name}" for name in _CLOUD),
)


def changes(value: str, context: Context) -> Iterator[Requested]:
    """Yield an empty machine id and the removal of what the first boot makes anew."""
    if value == "keep":
        yield from kept_changes(context)
        return
    reason = "machines from one image must not share it"
    yield Reasoned(WriteFile(guest("/etc/machine-id"), Blob.of(b""), 0o444), reason)
    for path in GONE:
        yield Reasoned(Remove(guest(path)), reason)


FEATURE = Feature("identity", "What is unique", SCHEMA, changes, "reset", default="reset")
