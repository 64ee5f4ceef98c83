"""Wireless networks that a board joins."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.errors import Diagnostic, SpecError
from builder.features import Context, Feature, Reasoned, Requested
from builder.features.network.daemons import daemon_changes
from builder.features.online import INTERFACE, wish_wait
from builder.features.sources import at
from builder.features.wifi.networks import NETWORK, make_network
from builder.guest import networkd, wifi

SCHEMA = {
    "type": "object",
    "description": "Wireless networks (WPA2). Addresses come by DHCP unless `network` has wlan0.",
    "additionalProperties": False,
    "required": ["country", "networks"],
    "properties": {
        "country": {
            "type": "string",
            "pattern": "^[A-Z]{2}$",
            "description": "ISO 3166 code of the country, whose rules the radio keeps to.",
        },
        "networks": {
            "type": "object",
            "minProperties": 1,
            "description": "Networks by name (SSID).",
            "additionalProperties": NETWORK,
        },
    },
}
_NOT_CODES = {"UK": "GB", "EN": "GB", "EU": "that of the country itself", "SW": "SE or CH"}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the configuration, the unit, and how the interface gets an address."""
    if meant := _NOT_CODES.get(value["country"]):
        message = f"{value['country']} is not the code of a country"
        yield Diagnostic(message, "WIFI004", f"did you mean {meant}?", ("country",))
    networks = []
    for ssid, settings in value["networks"].items():
        try:
            networks.append(make_network(ssid, settings, context))
        except SpecError as error:
            yield at(error.problems[0], "networks", ssid)
    text = wifi.format_configuration(value["country"], networks)
    yield WriteFile(wifi.file_path(INTERFACE), Blob.text(text), 0o600, secret=True)
    yield SetUnitState(wifi.unit_of(INTERFACE), UnitState.ENABLED)
    if INTERFACE not in context.overlay.get("network", {}):
        made = networkd.format_network(
            networkd.Link(INTERFACE, INTERFACE, dhcp="yes", accept_ra=True),
            release=context.release,
        )
        path = networkd.file_path(INTERFACE, "network")
        yield Reasoned(WriteFile(path, Blob.text(made)), "the network hands out addresses")
    yield from daemon_changes()
    yield from wish_wait(context)


FEATURE = Feature(
    "wifi",
    "Wireless networks of a board",
    SCHEMA,
    changes,
    "{country: NL, networks: {attic: {psk: {env: WIFI_PASSWORD}}, lobby: {open: true}}}",
    for_boards=True,
)
