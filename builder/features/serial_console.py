"""A serial console on the header pins of a board: the UART, the kernel, and with it a login."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import SetFirmware, SetKernelArguments
from builder.errors import Diagnostic
from builder.facts.alternatives import base_with, has_option
from builder.features import Context, Feature, Reasoned, Requested, form

SCHEMA = {
    "type": "object",
    "description": "Kernel messages and a login on the serial port; other consoles stay.",
    "additionalProperties": False,
    "required": ["port"],
    "properties": {
        "port": {
            "type": "string",
            **form(r"^[A-Za-z]+[0-9]$", "a port such as ttyS0 or ttyAMA0"),
            "description": "`ttyS0` or `ttyS1` is the small UART, as Photon's kernel numbers it, "
            "and `ttyAMA0` the full one, which is on the pins after `dtoverlay=disable-bt`.",
        },
        "speed": {
            "enum": [9600, 19200, 38400, 57600, 115200],
            "default": 115200,
            "description": "Bits a second; 115200 unless given.",
        },
    },
}
_PORTS = ("ttyS0", "ttyS1", "ttyAMA0", "ttyAMA1")
_DRIVERS = {"ttyAMA": "SERIAL_AMBA_PL011_CONSOLE", "ttyS": "SERIAL_8250_CONSOLE"}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the UART and the kernel's console; systemd starts a login on every console."""
    port = value["port"]
    if port not in _PORTS:
        why = (
            "is a word of Raspberry Pi OS, whose firmware replaces it; GRUB hands it on as it is"
            if port.startswith("serial")
            else "is no serial port of the board"
        )
        yield Diagnostic(f"{port} {why}", "SER001", f"one of {', '.join(_PORTS)}", ("port",))
    option, base = _DRIVERS.get(port.rstrip("0123456789"), ""), context.facts
    if option and base.is_known and base.kernel_option(option) == "n":
        message = f"the kernel of {base.text} has no console on {port}"
        hint = f"write port: ttyS0; {base_with(base, has_option(option))} has it"
        yield Diagnostic(message, "SER002", hint, ("port",))
    speed = value.get("speed", 115200)
    yield Reasoned(SetFirmware("all", "enable_uart=1", "enable_uart"), "it powers the serial port")
    yield SetKernelArguments((f"console={port},{speed}n8",))


FEATURE = Feature(
    "serial_console",
    "Serial console of a board",
    SCHEMA,
    changes,
    "{port: ttyAMA0, speed: 115200}",
    for_boards=True,
)
