"""How much of a disk the journal may take, and whether it survives a reboot: journald.conf(5)."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.features import Context, Feature, Requested
from builder.guestpath import guest
from builder.sizes import format_size, parse_size, size_schema

SCHEMA = {
    "type": "object",
    "description": "The journal. A small limit spares the card of a board.",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "max_use": size_schema("Most that it takes on disk, such as `64M`.", unit="M"),
        "storage": {
            "enum": ["persistent", "volatile"],
            "description": "On disk, or in memory until the next boot.",
        },
    },
}
FILE = guest("/etc/systemd/journald.conf.d/90-photon-builder.conf")


def changes(value: Mapping[str, Any], _: Context) -> Iterator[Requested]:
    """Yield one drop-in."""
    lines = ["[Journal]"]
    if storage := value.get("storage"):
        lines.append(f"Storage={storage}")
    if size := value.get("max_use"):
        limit = format_size(parse_size(size, "M"))
        lines += [f"SystemMaxUse={limit}", f"RuntimeMaxUse={limit}"]
    yield WriteFile(FILE, Blob.text("".join(f"{line}\n" for line in lines)))


FEATURE = Feature("journal", "The journal's size and place", SCHEMA, changes, "{max_use: 64M}")
