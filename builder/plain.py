"""Changes as plain data: what a plan prints and what its digest is taken of.

Content appears as its digest, and secrets as a digest that cannot be guessed back.
"""

import functools
import hashlib

from builder.blob import Blob
from builder.changes import Change, Owner


def row_of(change: Change) -> dict[str, object]:
    """Return a change as plain data, as a reader wants to see it."""
    secrets = change.secrets
    row: dict[str, object] = {"do": type(change).__name__}
    for name in change.FORMS:
        value = getattr(change, name)
        if name == "hash" and getattr(change, "drawn", False):
            value = "drawn for each build"
        elif name in secrets:
            value = "secret sha256:" + _digest_of_secret(value)
        row[name] = f"{value:04o}" if name == "mode" else _plain(value)
    return row


@functools.cache
def _digest_of_secret(value: str | Blob) -> str:
    """Return what stands for a secret: it changes with it, and does not give it away.

    The digest of a short secret could be guessed, so it is itself derived slowly.
    """
    material = value.sha256 if isinstance(value, Blob) else value
    return hashlib.pbkdf2_hmac("sha256", material.encode(), b"photon-builder plan", 20_000).hex()


def _plain(value: object) -> object:
    """Say in plain data what JSON has no word for; content appears as its digest."""
    match value:
        case Blob(sha256=sha256):
            return f"sha256:{sha256}"
        case Owner(uid, gid):
            return f"{uid}:{gid}"
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value
