"""Wireless networks that a board joins."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.engine.text.systemd import ETC
from builder.errors import Diagnostic, SpecError
from builder.features import Because, Context, Feature, Wish
from builder.features.network_daemons import wish_daemons
from builder.features.sources import at
from builder.features.wifi_networks import NETWORK, make_network
from builder.guest import networkd, wifi
from builder.guestpath import join

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
_INTERFACE = "wlan0"
"""Photon's kernel command line has net.ifnames=0, so that is what the board's radio is called."""

_NOT_CODES = {"UK": "GB", "EN": "GB", "EU": "that of the country itself", "SW": "SE or CH"}
_ONLINE = "systemd-networkd-wait-online.service"
_WAIT = "/usr/lib/systemd/systemd-networkd-wait-online"


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Wish]:
    """Yield the configuration, the unit, and how the interface gets an address."""
    if meant := _NOT_CODES.get(value["country"]):
        message = f"{value['country']} is no code of a country"
        yield Diagnostic(message, "WIFI004", f"did you mean {meant}?", ("country",))
    networks = []
    for ssid, settings in value["networks"].items():
        try:
            networks.append(make_network(ssid, settings, context))
        except SpecError as error:
            yield at(error.problems[0], "networks", ssid)
    text = wifi.format_configuration(value["country"], networks)
    yield WriteFile(wifi.file_path(_INTERFACE), Blob.text(text), 0o600, secret=True)
    yield SetUnitState(wifi.unit_of(_INTERFACE), UnitState.ENABLED)
    if _INTERFACE not in context.overlay.get("network", {}):
        made = networkd.format_network(
            networkd.Link(_INTERFACE, _INTERFACE, dhcp="yes", accept_ra=True),
            release=context.release,
        )
        path = networkd.file_path(_INTERFACE, "network")
        yield Because(WriteFile(path, Blob.text(made)), "the network hands out addresses")
    yield from wish_daemons()
    yield _wish_wait(context.release)


def _wish_wait(release: str) -> Because:
    """Return what keeps the boot from waiting for a cable: either interface will do."""
    # systemd before 242 can wait for all interfaces, or for those that are named.
    which = f"--interface={_INTERFACE}" if release in networkd.OLD_RELEASES else "--any"
    text = f"[Service]\nExecStart=\nExecStart={_WAIT} {which}\n"
    path = join(ETC, f"{_ONLINE}.d", "10-photon-builder.conf")
    return Because(WriteFile(path, Blob.text(text)), "the boot must not wait for a cable")


FEATURE = Feature(
    "wifi",
    "Wireless networks of a board",
    SCHEMA,
    changes,
    "{country: NL, networks: {attic: {psk: {env: WIFI_PASSWORD}}, lobby: {open: true}}}",
    for_boards=True,
)
