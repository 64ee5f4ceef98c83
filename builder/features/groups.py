"""Groups of the user's own, group(5)."""

from collections.abc import Iterator, Mapping

from builder.changes import AddGroup
from builder.features import Context, Feature, Requested, form

SCHEMA = {
    "type": "object",
    "description": "Groups by name, each with its id; `users` may then join them.",
    "propertyNames": form(
        r"^[a-z_][a-z0-9_-]{0,31}$", "small letters, digits, `_` and `-`, at most 32"
    ),
    "additionalProperties": {
        "type": "integer",
        "minimum": 1,
        "maximum": 60000,
        "description": "Group id; of a group of the base, the one that it has.",
    },
}


def changes(value: Mapping[str, int], _: Context) -> Iterator[Requested]:
    """Yield the groups."""
    for name, gid in value.items():
        yield AddGroup(name, gid)


FEATURE = Feature("groups", "Groups", SCHEMA, changes, "{media: 2000}")
