"""What a wireless network of the spec means; no feature of its own."""

from collections.abc import Mapping
from typing import Any

from builder.errors import Diagnostic, SpecError
from builder.features import Context
from builder.features.sources import at
from builder.guest import wifi
from builder.secret import read_secret

NETWORK = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "psk": {
            "type": "object",
            "description": "The password, as `{env: NAME}` or `{file: path}`; what gets into the "
            "image is a key derived from it.",
        },
        "open": {"const": True, "description": "There is no password."},
        "hidden": {"type": "boolean", "description": "It does not tell its name."},
        "priority": {
            "type": "integer",
            "minimum": 0,
            "maximum": 1000,
            "description": "Of those that can be heard, the one with the highest is joined.",
        },
    },
}
"""JSON Schema of one network."""


def make_network(ssid: str, settings: Mapping[str, Any], context: Context) -> wifi.Network:
    """Return one network.

    Raises:
        SpecError: WIFI001 its password cannot be one, WIFI002 its name cannot be one, WIFI003
            it has a password and none; or the password cannot be read.
    """
    size = len(ssid.encode())
    if not 1 <= size <= wifi.LONGEST_SSID or "\0" in ssid:
        message = f"{ssid!r} has {size} bytes; a network's name has 1 to {wifi.LONGEST_SSID}"
        raise SpecError((Diagnostic(message, "WIFI002"),))
    if ("psk" in settings) == ("open" in settings):
        found = "psk and open" if "psk" in settings else "neither"
        message = f"found {found}; wanted psk or open"
        raise SpecError(
            (Diagnostic(message, "WIFI003", "psk: {env: WIFI_PASSWORD}, or open: true"),)
        )
    key = _key_of(ssid, settings["psk"], context) if "psk" in settings else ""
    return wifi.Network(ssid, key, settings.get("hidden", False), settings.get("priority", 0))


def _key_of(ssid: str, reference: Mapping[str, Any], context: Context) -> str:
    """Return the key that a password gives; line ends of a paste are not part of it.

    Raises:
        SpecError: it cannot be read, or is not a valid password.
    """
    try:
        return wifi.derive_key(ssid, read_secret(reference, context.directory).strip("\r\n"))
    except SpecError as error:
        raise SpecError((at(error.problems[0], "psk"),)) from error
    except ValueError as error:
        message = f"the password of {ssid} has {error}; wanted 8 to 63, or 64 hex digits"
        raise SpecError(
            (
                Diagnostic(
                    message,
                    "WIFI001",
                    "check the password: WPA2 takes 8 to 63 characters",
                    ("psk",),
                ),
            )
        ) from error
