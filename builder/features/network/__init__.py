"""Interfaces, addresses and name servers, as systemd-networkd files."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.blob import Blob
from builder.changes import WriteFile
from builder.features import Context, Feature, Reasoned, Requested
from builder.features.network.daemons import daemon_changes
from builder.features.openings import wish_ipv6
from builder.guest import networkd
from builder.guest.interfaces import iter_faults, make_links
from builder.guestpath import guest


def _texts(description: str) -> dict[str, object]:
    """Return the schema of a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _keys(description: str, properties: Mapping[str, object], *required: str) -> dict[str, object]:
    """Return the schema of a mapping with these keys only."""
    closed = {"type": "object", "additionalProperties": False, "description": description}
    return {**closed, "properties": properties, "required": list(required)}


_ROUTE = {
    "to": {"type": "string", "description": "Network with its prefix length, or `default`."},
    "via": {"type": "string", "description": "Router."},
    "metric": {"type": "integer", "minimum": 0, "description": "The lowest is taken."},
}
_LINK = {
    "match": _keys(
        "What the interface is recognised by, when not by its key.",
        {"mac": {"type": "string"}, "name": {"type": "string"}},
    ),
    "addresses": _texts("IPv4 and IPv6 addresses with prefix lengths."),
    "gateway": {
        "description": "Default router, or one each for IPv4 and IPv6.",
        "anyOf": [{"type": "string"}, _texts("Default routers.")],
    },
    "dns": _texts("Name servers; a lease's are then left out."),
    "domains": _texts("Search domains."),
    "dhcp": {
        "enum": ["yes", "no", "ipv4", "ipv6", True, False],
        "description": "Ask for a lease; `yes` unless addresses are given.",
    },
    "routes": {
        "type": "array",
        "description": "Further routes.",
        "items": _keys("A route.", _ROUTE, "to"),
    },
    "vlan": _keys(
        "Make this a VLAN interface.",
        {
            "id": {"type": "integer", "minimum": 1, "maximum": 4094, "description": "Its tag."},
            "link": {"type": "string", "description": "Key of the interface below."},
        },
        *("id", "link"),
    ),
    "mtu": {"type": "integer", "minimum": 68, "maximum": 65535, "description": "Bytes a packet."},
    "accept_ra": {"type": "boolean", "description": "Accept IPv6 router advertisements."},
    "optional": {"type": "boolean", "description": "The boot does not wait for it."},
}
SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "description": "Interfaces by name (`eth0`), or by any key together with `match`.",
    "additionalProperties": _keys("One interface.", _LINK),
}
CLOUD = guest("/etc/cloud/cloud.cfg.d/99-photon-builder-network.cfg")


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield a file an interface, and what keeps others from writing theirs."""
    faults = list(iter_faults(value))
    yield from faults
    for key, link in {} if faults else make_links(value).items():
        if vlan := value[key].get("vlan"):
            made = networkd.format_vlan(networkd.Vlan(link.name, vlan["id"]))
            yield WriteFile(networkd.file_path(key, "netdev"), Blob.text(made))
        if link.wants_ipv6:
            yield from wish_ipv6(context, (key,))
        text = networkd.format_network(link, release=context.release)
        yield WriteFile(networkd.file_path(key, "network"), Blob.text(text))
    yield Reasoned(
        WriteFile(CLOUD, Blob.text("network: {config: disabled}\n")),
        "cloud-init would write a network of its own on the first boot",
    )
    yield from daemon_changes()


FEATURE = Feature(
    "network",
    "Interfaces and addresses",
    SCHEMA,
    changes,
    "{eth0: {addresses: [192.168.1.53/24], gateway: 192.168.1.1, dns: [1.1.1.1, 9.9.9.9]}}",
)
