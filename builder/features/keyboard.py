"""The keyboard of the console, vconsole.conf(5)."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import WriteFile
from builder.features import Context, Feature, Requested, form
from builder.features.package_source import wish_packages
from builder.guestpath import guest

SCHEMA = {
    "type": "string",
    "description": "Keymap of the console, such as `de-latin1`; those of the package kbd.",
    **form("^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", "the name of a keymap such as de-latin1"),
}
FILE = guest("/etc/vconsole.conf")
_PACKAGE = "kbd"


def changes(value: str, context: Context) -> Iterator[Requested]:
    """Yield the setting, and the package with the keymaps when the base may lack it."""
    yield WriteFile(FILE, Blob.text(f"KEYMAP={value}\n"))
    is_there = context.facts.has_package(_PACKAGE)
    if not is_there:
        lacks = "may lack" if is_there is None else "lacks"
        reason = f"the base {lacks} {_PACKAGE}, which has the keymaps"
        yield wish_packages((_PACKAGE,), context, reason=reason)


FEATURE = Feature("keyboard", "Keyboard of the console", SCHEMA, changes, "de-latin1")
