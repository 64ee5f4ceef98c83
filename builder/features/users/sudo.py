"""Who may become root by sudo, sudoers(5); no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import MakeDirectory, WriteFile
from builder.features import Context, Reasoned
from builder.features.package_source import wish_packages
from builder.guestpath import guest, join

SCHEMA = {
    "enum": [True, False, "nopasswd"],
    "description": "Whether sudo lets the account become root: `true` asks for its password, "
    "`nopasswd` does not. Brings sudo where the base lacks it.",
}
DIRECTORY = guest("/etc/sudoers.d")
"""Read by Photon's /etc/sudoers; names with a dot are skipped."""

PACKAGE = "sudo"
_COMMANDS = {True: "ALL", "nopasswd": "NOPASSWD: ALL"}


def sudo_changes(user: str, settings: Mapping[str, Any], context: Context) -> Iterator[Reasoned]:
    """Yield an account's rule, and the package when the base may lack it."""
    commands = _COMMANDS.get(settings.get("sudo", False))
    if commands is None:
        return
    path = (user, "sudo")
    yield Reasoned(MakeDirectory(DIRECTORY, 0o750), "", path)
    rule = Blob.text(f"{user} ALL=(ALL) {commands}\n")
    yield Reasoned(WriteFile(join(DIRECTORY, f"90-photon-builder-{user}"), rule, 0o440), "", path)
    is_there = context.facts.has_package(PACKAGE)
    if not is_there:
        lacks = "may lack" if is_there is None else "lacks"
        yield wish_packages((PACKAGE,), context, reason=f"the base {lacks} sudo", path=path)
