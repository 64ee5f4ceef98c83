"""Settings of a Raspberry Pi's firmware, under the filters that its config.txt knows."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import SetFirmware
from builder.engine.text import config_txt
from builder.errors import Diagnostic, KeyPath
from builder.features import Context, Feature, Requested, form

_LINE = {
    "type": "string",
    **form(r"^[^\s#\[][^\n\r]*$", "one line such as dtoverlay=disable-bt"),
}
_LINES = {"type": "array", "items": _LINE, "uniqueItems": True}
SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "description": "Settings by filter: `all`, a model such as `pi4`, or any other that stands in "
    "brackets in config.txt. Comments and other settings stay.",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "description": "Settings under one filter.",
        "properties": {
            "set": {
                "type": "object",
                "description": "Values by key; one takes the place of others of its key.",
                "propertyNames": form(r"^[a-z0-9_:.]+$", "a key such as gpu_mem"),
                "additionalProperties": {
                    "type": ["string", "integer"],
                    **form(r"^[^\n\r]*$", "one line"),
                },
            },
            "add": {
                **_LINES,
                "description": "Whole lines of keys that may be there many times, such as "
                "`dtoverlay=disable-bt`.",
            },
            "unset": {**_LINES, "description": "Keys, or whole lines, that go."},
        },
    },
}
_OF_THE_BASE = frozenset({"kernel", "arm_64bit", "arm_control", "os_prefix", "kernel_address"})
"""How the firmware finds the boot loader; with another value the board does not start."""

_CHAIN = frozenset({"cmdline", "initramfs", "ramfsfile"})
"""What the firmware hands to a kernel, and there is a boot loader in between."""

_UART = ("enable_uart", "0")


def changes(value: Mapping[str, Mapping[str, Any]], _: Context) -> Iterator[Requested]:
    """Yield one change a setting, so that overlays may each bring some."""
    for section, settings in value.items():
        if not config_txt.is_filter(section):
            message = f"no filter of config.txt is called {section!r}"
            hint = f"known: {', '.join((*config_txt.OTHERS, *config_txt.MODELS))}, gpio4=1, 0x…"
            yield Diagnostic(message, "CFG003", hint, (section,))
            continue
        for key, setting in settings.get("set", {}).items():
            line = f"{key}={setting}"
            yield from _faults(line, (section, "set", key))
            yield SetFirmware(section, line, drops=key)
        for index, line in enumerate(settings.get("add", ())):
            yield from _faults(line, (section, "add", index))
            yield SetFirmware(section, line)
        for index, gone in enumerate(settings.get("unset", ())):
            yield from _faults(gone, (section, "unset", index), is_unset=True)
            yield SetFirmware(section, "", drops=gone)


def _faults(line: str, path: KeyPath, *, is_unset: bool = False) -> Iterator[Diagnostic]:
    """Yield what is wrong with a setting."""
    key = config_txt.key_of(line)
    if key in _OF_THE_BASE:
        message = f"{key} is how the base's boot loader is started; it stays as it is"
        yield Diagnostic(message, "CFG002", "drop it", path)
    elif key in _CHAIN and not is_unset:
        message = f"{key} has no effect: a boot loader stands between the firmware and the kernel"
        yield Diagnostic(message, "CFG002", "use `kernel` for arguments of the kernel", path)
    elif key == _UART[0] and (is_unset or line.partition("=")[2].strip() == _UART[1]):
        message = "without enable_uart=1 Photon's boot loader does not start"
        yield Diagnostic(message, "CFG002", "drop it", path)
    if len(line.encode()) > config_txt.LONGEST:
        message = f"{len(line.encode())} bytes; the firmware reads {config_txt.LONGEST} of a line"
        yield Diagnostic(message, "CFG004", "write it as several settings", path)


FEATURE = Feature(
    "config_txt",
    "Firmware of a Raspberry Pi",
    SCHEMA,
    changes,
    "{all: {set: {gpu_mem: 16}, add: ['dtoverlay=disable-bt']}, pi4: {set: {arm_boost: 1}}}",
    for_boards=True,
)
