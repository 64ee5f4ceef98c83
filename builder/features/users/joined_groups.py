"""Groups that accounts join and that packages of the spec make; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import AddGroup
from builder.features import Context, Reasoned

_GID = 999
"""What groupadd -r takes first, login.defs(5) SYS_GID_MAX; the package then finds the group."""


def group_changes(user: str, settings: Mapping[str, Any], context: Context) -> Iterator[Reasoned]:
    """Yield groups that an account joins before the package that makes them is installed."""
    own = context.overlay.get("groups", {})
    for index, group in enumerate(settings.get("groups") or ()):
        package = context.facts.package_for_group(group)
        is_coming = package in context.overlay.get("packages", ())
        if is_coming and group not in own and context.facts.has_group(group) is False:
            reason = f"{user} joins it now, and the package {package} comes on the first boot"
            yield Reasoned(AddGroup(group, _GID), reason, (user, "groups", index))
