"""Rules of addresses, routers and name servers."""

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, find, warning
from builder.rules.network.interfaces import Address, Nic, mentioned, nics
from builder.structs import replace

if TYPE_CHECKING:
    from builder.rules.compose.projects import Project

_DNS = 53
_V6 = 6
_POINT_TO_POINT = 2
_SERVERS = frozenset({"bind", "unbound", "dnsmasq", "coredns", "pdns", "knot"})
_PRIVATE_LIKE = {
    **dict.fromkeys(
        (
            *((n, 168) for n in (19, 92, 102, 129, 182, 191, 193, 196, 198, 199)),
            *((192, n) for n in (16, 18, 68, 166, 167, 169, 178, 186, 198)),
            (168, 192),
        ),
        "192.168",
    ),
    **{(first, n): f"172.{n}" for first in (127, 171, 173, 174, 177, 182) for n in range(16, 32)},
}
"""First two numbers of addresses that a slip of the finger makes of private ones."""

_POOLS = [ipaddress.ip_network(f"172.{number}.0.0/16") for number in range(17, 32)]


def _edge_addresses(subject: Subject) -> Iterator[Diagnostic]:
    """Find addresses that stand for their whole network."""
    for nic in nics(subject):
        for path, found in nic.addresses():
            network = found.network
            if found.version == _V6 or network.num_addresses <= _POINT_TO_POINT:
                continue
            kind = {network.network_address: "network", network.broadcast_address: "broadcast"}
            if found.ip in kind:
                message = f"{found.ip} is the {kind[found.ip]} address of {network}"
                first, last = network.network_address + 1, network.broadcast_address - 1
                yield nic.find(path, message, f"take one between {first} and {last}")


def _own_gateway(subject: Subject) -> Iterator[Diagnostic]:
    """Find interfaces that are their own router."""
    for nic in nics(subject):
        own = {found.ip for _, found in nic.addresses()}
        for path, gateway in nic.gateways():
            if gateway in own:
                message = f"the gateway {gateway} is the machine's own address"
                yield nic.find(path, message, "give the router's address")


def _far_gateways(subject: Subject) -> Iterator[Diagnostic]:
    """Find routers that no address of the interface can reach."""
    for nic in nics(subject):
        for path, gateway in nic.gateways():
            networks = [f.network for _, f in nic.addresses() if f.version == gateway.version]
            if not networks or gateway.is_link_local or any(gateway in n for n in networks):
                continue
            shown = " or ".join(map(str, networks))
            message = f"the gateway {gateway} is outside {shown}, so it cannot be reached"
            yield nic.find(path, message, "check address, prefix length and gateway for a slip")


def _mistyped(subject: Subject) -> Iterator[Diagnostic]:
    """Find public addresses that look like private ones."""
    everything = list(mentioned(subject))
    private = {address.packed[:2] for _, _, address in everything if address.is_private}
    for overlay, path, address in everything:
        start = _PRIVATE_LIKE.get((address.packed[0], address.packed[1]))
        if address.version == _V6 or start is None:
            continue
        meant = f"{start}.{address.packed[2]}.{address.packed[3]}"
        sure = ipaddress.ip_address(meant).packed[:2] in private
        message = f"{address} is not a private address, and looks like a mistyped {meant}"
        found = find(overlay, path, message, f"did you mean {meant}?")
        yield replace(found, code="NET004") if sure else found


def _own_server(subject: Subject) -> Iterator[Diagnostic]:
    """Find name servers that are the machine itself."""
    if subject.packages() & _SERVERS:
        return
    everything = nics(subject)
    own = {found.ip for nic in everything for _, found in nic.addresses()}
    of_names = _name_servers(subject)
    serving = [project for project in of_names if not project.preload]
    if of_names and not serving:
        return
    for nic in everything:
        for path, server in nic.servers():
            if server in own or server.is_loopback:
                because = f", and {serving[0].name} is not there yet" if serving else ""
                message = f"the name server {server} is this machine itself{because}"
                hint = "give an upstream, such as 1.1.1.1: images have to be found before they run"
                yield nic.find(path, message, hint)


def _name_servers(subject: Subject) -> list["Project"]:
    """Return the compose projects that serve names; without any, nothing is imported."""
    if "compose" not in subject.spec.keys:
        return []
    from builder.rules.compose.projects import publishers

    return list(publishers(subject, _DNS))


def _same_address(subject: Subject) -> Iterator[Diagnostic]:
    """Find an address on two interfaces."""
    seen: dict[Address, Nic] = {}
    for nic in nics(subject):
        for path, found in nic.addresses():
            other = seen.setdefault(found.ip, nic)
            if other.key != nic.key:
                message = f"{found.ip} is an address of {other.key} already"
                yield nic.find(path, message, "give each interface its own")


def _pools(subject: Subject) -> Iterator[Diagnostic]:
    """Find networks that docker may take for its own."""
    given = {key for _, section in subject.sections("docker") for key in section.get("daemon", {})}
    used = any(True for key in ("docker", "compose") for _ in subject.sections(key))
    if given & {"default-address-pools", "bip"} or not used:
        return
    for overlay, path, address in mentioned(subject):
        pool = next((pool for pool in _POOLS if address in pool), None)
        if pool:
            message = f"{address} lies in {pool}, one of the networks docker takes for containers"
            hint = (
                "set docker.daemon.default-address-pools to another network, such as 10.201.0.0/16"
            )
            yield find(overlay, path, message, hint)


def _static_in_cloud(subject: Subject) -> Iterator[Diagnostic]:
    """Find fixed addresses where the fabric hands them out."""
    clouds = subject.cloud_targets
    for nic in nics(subject) if clouds else ():
        for path, found in nic.addresses():
            message = f"{found} is fixed, and {', '.join(clouds)} needs a lease from the cloud"
            yield nic.find(path, message, "drop `addresses` and `gateway`, or the cloud target")


def _not_for_hosts(subject: Subject) -> Iterator[Diagnostic]:
    """Find addresses that no host can have."""
    kinds = ("is_loopback", "is_multicast", "is_unspecified", "is_reserved")
    for nic in nics(subject):
        for path, found in nic.addresses():
            kind = next((kind for kind in kinds if getattr(found.ip, kind)), "")
            if kind and (found.ip.packed[0], found.ip.packed[1]) not in _PRIVATE_LIKE:
                word = kind.removeprefix("is_")
                yield nic.find(path, f"{found.ip} is a {word} address, not one for an interface")


def _no_names(subject: Subject) -> Iterator[Diagnostic]:
    """Find a network without leases in which nobody is asked for names."""
    everything = nics(subject)
    fixed = [nic for nic in everything if any(True for _ in nic.addresses())]
    asked = any(nic.settings.get("dns") or nic.has_lease for nic in everything)
    if fixed and not asked:
        message = "no interface has a name server or a lease that brings one"
        yield fixed[0].find(("addresses",), message, "add `dns: [1.1.1.1, 9.9.9.9]`")


def _two_defaults(subject: Subject) -> Iterator[Diagnostic]:
    """Find a second default route."""
    first: dict[int, Nic] = {}
    for nic in nics(subject):
        for path, gateway in nic.gateways():
            other = first.setdefault(gateway.version, nic)
            if other.key != nic.key:
                message = f"{nic.key} has a default route, and {other.key} has one already"
                yield nic.find(path, message, "keep one gateway; add `routes` for the other")


def _same_match(subject: Subject) -> Iterator[Diagnostic]:
    """Find two keys that mean one interface."""
    seen: dict[str, str] = {}
    for nic in nics(subject):
        match = nic.settings.get("match", {})
        name = match.get("name", "" if "mac" in match else nic.key)
        meant = str(match.get("mac", "")).lower().replace("-", ":") or str(name)
        other = seen.setdefault(meant, nic.key)
        if other != nic.key:
            message = f"{nic.key} and {other} are the same interface, {meant}"
            yield nic.find(("match",), message, "put all its settings under one key")


RULES: tuple[Rule, ...] = (
    error(
        "NET001",
        "an address is the network's or the broadcast's own",
        "The first address of a network names the network, the last one reaches all of its hosts. "
        "Neither can be a host's. With a prefix length of 24 these end in .0 and .255.",
        _edge_addresses,
    ),
    error(
        "NET002",
        "the gateway is the machine itself",
        "A default route through oneself leads nowhere. The gateway is the router's address.",
        _own_gateway,
    ),
    error(
        "NET003",
        "the gateway is outside the address's network",
        "The kernel refuses a default route whose router lies in no network of the interface, and "
        "networkd then leaves the interface without one. Most often one number or the prefix "
        "length is mistyped: 192.168.2.1 is no neighbour of 192.168.1.53/24.",
        _far_gateways,
    ),
    warning(
        "NET004",
        "a public address looks like a mistyped private one",
        "198.168.0.235 is somebody's public address; 192.168.0.235 is private. The machine would "
        "talk to its own network only, and to strangers as if they were neighbours. It is an error "
        "when the spec also mentions an address of the private network that is meant.",
        _mistyped,
    ),
    error(
        "NET005",
        "a name server is the machine itself",
        "Before an app on this machine can answer, its image has to be pulled, and for that names "
        "have to be resolved. Give upstream servers under `dns`; the clients of your network may "
        "still be pointed at this machine. Fine when the app's images are preloaded, or when a "
        "package such as unbound brings the server.",
        _own_server,
    ),
    error(
        "NET006",
        "two interfaces have one address",
        "A machine with one address on two interfaces answers on either, and packets get lost.",
        _same_address,
    ),
    warning(
        "NET007",
        "docker may take this network for containers",
        "Docker numbers its networks from 172.17.0.0/16 to 172.31.0.0/16. Hosts in the same range "
        "cannot be reached from containers, and at worst the machine loses its own network. Set "
        "`docker: {daemon: {default-address-pools: [{base: 10.201.0.0/16, size: 24}]}}`.",
        _pools,
    ),
    error(
        "NET008",
        "a fixed address on a cloud target",
        "EC2, Google Compute Engine and Azure route to the address that their own DHCP handed out. "
        "With another one the machine cannot be reached, and there is no console to repair it.",
        _static_in_cloud,
    ),
    warning(
        "NET011",
        "two default routes",
        "With two default routes of equal metric, the one that came up last is used. Keep one "
        "gateway and list further networks under `routes`.",
        _two_defaults,
    ),
    error(
        "NET012",
        "an address that no interface can have",
        "Loopback (127.0.0.0/8), multicast (224.0.0.0/4), reserved and unspecified addresses are "
        "never those of a network card.",
        _not_for_hosts,
    ),
    warning(
        "NET013",
        "no name servers",
        "Without DHCP nobody tells the machine whom to ask for names: packages, images and the "
        "time then cannot be fetched.",
        _no_names,
    ),
    error(
        "NET015",
        "two keys mean one interface",
        "networkd takes the first file that matches an interface and ignores all others, so "
        "the settings of one of the keys would have no effect.",
        _same_match,
    ),
)
