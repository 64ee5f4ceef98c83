"""The ssh client: its configuration in old cloud images names ciphers that no longer exist."""

from collections.abc import Iterator, Mapping

from builder.changes import ReplaceText
from builder.features import Context, Feature, Reasoned, Requested
from builder.guestpath import guest

SCHEMA = {
    "type": "object",
    "description": "The client's configuration, /etc/ssh/ssh_config.",
    "additionalProperties": False,
    "properties": {
        "fix_ciphers": {
            "type": "boolean",
            "default": True,
            "description": "Take out ciphers that OpenSSH dropped: with one of them `ssh` refuses "
            "to start. Published images for clouds have two.",
        }
    },
}
FILE = guest("/etc/ssh/ssh_config")
GONE = ("arcfour256,", "arcfour128,")


def changes(value: Mapping[str, bool], _: Context) -> Iterator[Requested]:
    """Yield a replacement for each cipher that is gone."""
    if value.get("fix_ciphers", True):
        for cipher in GONE:
            yield Reasoned(ReplaceText(FILE, cipher, ""), "ssh does not start with it")


FEATURE = Feature(
    "ssh_client",
    "The ssh client",
    SCHEMA,
    changes,
    "{fix_ciphers: true}",
    default={"fix_ciphers": True},
)
