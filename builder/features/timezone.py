"""The time zone, as localtime(5) has it: a link into the zone database."""

from collections.abc import Iterator

from builder.changes import MakeSymlink, Require
from builder.features import Context, Feature, Requested
from builder.guestpath import guest

SCHEMA = {
    "type": "string",
    "description": "Name from the IANA time zone database, such as Europe/Amsterdam or UTC.",
    "pattern": r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
}


def changes(zone: str, _: Context) -> Iterator[Requested]:
    """Yield the link, and the zone that the base must have."""
    yield MakeSymlink(guest("/etc/localtime"), f"../usr/share/zoneinfo/{zone}")
    yield Require(
        guest(f"/usr/share/zoneinfo/{zone}"),
        f"the base has no time zone {zone}",
        "TIM001",
        "check its spelling: Area/City, with capitals; tzdata holds the zones",
    )


FEATURE = Feature("timezone", "Time zone", SCHEMA, changes, "Europe/Amsterdam")
