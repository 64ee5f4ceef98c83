"""Unit files of the user's own, and drop-ins for those of the base."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import UnitState, WriteFile
from builder.engine.text.systemd import ETC, parse_install
from builder.engine.text.unit_names import complete_name, is_name
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested, form
from builder.features.sources import read_text
from builder.features.unit_states import state_changes
from builder.features.unit_text import iter_faults
from builder.guestpath import join

_TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object",
    "description": "systemd units by name: whole files, drop-ins for the base's own, or both.",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {
            "content": {**_TEXT, "description": "The unit file."},
            "source": {**_TEXT, "description": "A file on this machine that holds it."},
            "dropins": {
                "type": "object",
                "description": "Drop-ins by file name, such as `10-mine.conf`.",
                "propertyNames": form(r"^[^/\s]+\.conf$", "a file name that ends with .conf"),
                "additionalProperties": _TEXT,
            },
            "enable": {"type": "boolean", "description": "Start it at boot, or do not."},
        },
    },
}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the files of each unit, and its state when one is asked for."""
    for given, settings in value.items():
        unit = complete_name(given)
        if not is_name(unit):
            yield Diagnostic(
                f"{given!r} is not a valid unit name", "UNIT001", "try hello.service", (given,)
            )
            continue
        yield from _file_changes(unit, given, settings, context)
        for name, text in sorted(settings.get("dropins", {}).items()):
            yield from iter_faults(text, unit, context, (given, "dropins", name))
            yield WriteFile(join(ETC, f"{unit}.d", name), Blob.text(_ended(text)))
        if "enable" in settings:
            state = UnitState.ENABLED if settings["enable"] else UnitState.DISABLED
            yield from state_changes(unit, state, context)


def _file_changes(
    unit: str, key: str, settings: Mapping[str, Any], context: Context
) -> Iterator[Requested]:
    """Yield the unit file, given inline or as a file of this machine."""
    given = [way for way in ("content", "source") if way in settings]
    if len(given) > 1:
        message = f"{unit} has content and source; wanted one of them"
        yield Diagnostic(message, "UNIT002", "drop one", (key,))
    for way in given[:1]:
        text: str | Diagnostic = settings[way]
        if way == "source":
            text = read_text(settings[way], context, code="UNIT003", path=(key, way))
        if isinstance(text, Diagnostic):
            yield text
            continue
        yield from iter_faults(text, unit, context, (key, way))
        yield WriteFile(join(ETC, unit), Blob.text(_ended(text)))
        install = parse_install(text)
        if settings.get("enable") and not (install.wanted or install.alias or install.also):
            message = f"{unit} is to be enabled, and has no [Install] section that says where"
            yield Diagnostic(
                message, "UNIT004", "add [Install]\\nWantedBy=multi-user.target", (key,)
            )


def _ended(text: str) -> str:
    """Return ``text`` with a newline at its end."""
    return text if text.endswith("\n") else f"{text}\n"


FEATURE = Feature(
    "units",
    "systemd units and drop-ins",
    SCHEMA,
    changes,
    '{docker.service: {dropins: {10-limits.conf: "[Service]\\nLimitNOFILE=65536\\n"}}}',
)
