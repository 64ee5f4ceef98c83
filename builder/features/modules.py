"""Kernel modules to load at boot, and their options: modules-load.d(5), modprobe.d(5)."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import EnsureLine
from builder.features import Context, Feature, Wish, form
from builder.guest import patterns
from builder.guestpath import guest

_NAME = r"^[A-Za-z0-9_-]+$"
_FORM = "a module's name: letters, digits, `_` and `-`"
_NAMES = {
    "type": "array",
    "items": {"type": "string", **form(_NAME, _FORM)},
    "uniqueItems": True,
}
SCHEMA = {
    "type": "object",
    "description": "Kernel modules.",
    "additionalProperties": False,
    "properties": {
        "load": {**_NAMES, "description": "Loaded at every boot."},
        "blacklist": {**_NAMES, "description": "Never loaded for a device by itself."},
        "options": {
            "type": "object",
            "description": "Options by module, as modprobe.d(5) has them.",
            "propertyNames": form(_NAME, _FORM),
            "additionalProperties": {
                "type": "string",
                **form(r"^[^\n]+$", "one line"),
            },
        },
    },
}
LOAD = guest("/etc/modules-load.d/photon-builder.conf")
MODPROBE = guest("/etc/modprobe.d/photon-builder.conf")


def changes(value: Mapping[str, Any], _: Context) -> Iterator[Wish]:
    """Yield one line a module, so that overlays may each bring some."""
    for module in value.get("load", ()):
        yield EnsureLine(LOAD, module)
    for module in value.get("blacklist", ()):
        yield EnsureLine(MODPROBE, f"blacklist {module}")
    for module, options in sorted(value.get("options", {}).items()):
        old = patterns.first_word(f"options {module}")
        yield EnsureLine(MODPROBE, f"options {module} {options}", replaces=old)


FEATURE = Feature("modules", "Kernel modules", SCHEMA, changes, "{load: [br_netfilter]}")
