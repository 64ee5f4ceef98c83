"""The time that a board without a clock begins with, until it has asked the network."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import Owner, WriteFile
from builder.features import Context, Feature, Reasoned, Requested
from builder.guestpath import guest

SCHEMA = {
    "enum": ["build", "keep"],
    "default": "build",
    "description": "`build`: the first boot begins at the time of the build, so that certificates "
    "are valid already; `keep` leaves it to the base, whose clock may start years ago.",
}
EPOCH = guest("/usr/lib/clock-epoch")
"""Its time of modification is the earliest that systemd 247 and later boot with."""

STAMP = guest("/var/lib/systemd/timesync/clock")
"""Its time of modification is the earliest that timesyncd of any age sets."""

_OWNER = Owner("systemd-timesync", "systemd-timesync")
_OLD_RELEASES = frozenset({"3.0", ""})
"""Releases whose systemd does not know :data:`EPOCH`, the unknown one among them."""

_MARK = "set when the image was built\n"
"""Something, so that an empty file of the base is written anew, and with it its time."""


def changes(value: str, context: Context) -> Iterator[Requested]:
    """Yield the files whose times systemd reads."""
    if value == "build":
        yield from epoch_changes(context, "a board has no clock of its own, and TLS needs the time")


def epoch_changes(context: Context, reason: str) -> Iterator[Requested]:
    """Yield what makes the first boot begin at the time of the build."""
    yield Reasoned(WriteFile(EPOCH, Blob.of(b"")), reason)
    if context.release in _OLD_RELEASES:
        yield Reasoned(WriteFile(STAMP, Blob.text(_MARK), owner=_OWNER), reason)


FEATURE = Feature(
    "clock", "Time of the first boot", SCHEMA, changes, "build", default="build", for_boards=True
)
