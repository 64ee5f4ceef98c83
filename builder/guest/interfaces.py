"""What a network value of the spec means for each interface, and what is wrong with it.

Addresses are looked at one by one; whether they fit each other is a matter of rules.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.guest.networkd import Link, Route
from builder.structs import replace

_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_NAME = re.compile(r"[^\s/*?\[\]!]{1,15}")
_PREFIX = re.compile(r"[0-9]{1,3}", re.ASCII)
"""What systemd's in_addr_prefix_from_string() takes after the slash; no netmask."""

_DHCP = {True: "yes", False: "no", "true": "yes", "false": "no"}


def make_links(value: Mapping[str, Any]) -> dict[str, Link]:
    """Return the state of each interface, with the VLANs on top of it."""
    links = {key: _make_link(key, settings) for key, settings in value.items()}
    for key, settings in value.items():
        under = settings.get("vlan", {}).get("link")
        if under in links:
            links[under] = replace(links[under], vlans=(*links[under].vlans, key))
    return links


def _make_link(key: str, settings: Mapping[str, Any]) -> Link:
    """Return the state of one interface."""
    match = settings.get("match", {})
    mac = str(match.get("mac", "")).lower().replace("-", ":")
    addresses = tuple(settings.get("addresses", ()))
    given = settings.get("dhcp", not addresses and "vlan" not in settings)
    dhcp = _DHCP.get(given, given)
    return Link(
        key=key,
        name=match.get("name", "" if mac else key),
        mac=mac,
        addresses=addresses,
        gateways=gateways(settings),
        dns=tuple(settings.get("dns", ())),
        domains=tuple(settings.get("domains", ())),
        dhcp=dhcp,
        routes=tuple(map(_make_route, settings.get("routes", ()))),
        mtu=settings.get("mtu"),
        accept_ra=settings.get("accept_ra", dhcp == "ipv6"),
        required=not settings.get("optional", False),
    )


def _make_route(settings: Mapping[str, Any]) -> Route:
    """Return one route; `default` is the route to everywhere."""
    to = settings["to"]
    destination = "" if to == "default" else to
    return Route(destination, settings.get("via", ""), settings.get("metric"))


def gateways(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the routers of an interface, given as one or as a list."""
    given = settings.get("gateway", ())
    return (given,) if isinstance(given, str) else tuple(given)


def iter_faults(value: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield what a schema cannot say about a network value."""
    for key, settings in value.items():
        yield from _faults_of_match(key, settings)
        yield from _faults_of_addresses(key, settings)
        under = settings.get("vlan", {}).get("link", key)
        if under not in value or ("vlan" in settings and under == key):
            message = f"the VLAN {key} is to be on {under}, which is no other key of network"
            yield Diagnostic(
                message, "NET023", f"add {under}: {{}} to network", (key, "vlan", "link")
            )


def _faults_of_match(key: str, settings: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield what is wrong with how an interface is recognised."""
    match = settings.get("match", {})
    named = match.get("name", "eth0" if "mac" in match else key)
    if not _NAME.fullmatch(named):
        message = f"{named!r} is not the name of one interface: 1 to 15 letters, no wildcard"
        hint = "name it exactly, or use match: {mac: …}; give each interface a key of its own"
        yield Diagnostic(message, "NET020", hint, (key,))
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", key):
        message = f"{key!r} becomes part of a file name; wanted letters, digits, `_`, `.`, `-`"
        yield Diagnostic(message, "NET020", "use another key and match: {name: …}", (key,))
    if "mac" in match and not _MAC.fullmatch(match["mac"]):
        message = f"{match['mac']!r} is no hardware address; wanted 00:50:56:12:34:56"
        yield Diagnostic(message, "NET024", path=(key, "match", "mac"))


def _faults_of_addresses(key: str, settings: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield the addresses, servers and routes that are none."""
    for index, address in enumerate(settings.get("addresses", ())):
        yield from _fault_of_interface(address, (key, "addresses", index))
    listed = isinstance(settings.get("gateway"), list)
    routers = enumerate(gateways(settings))
    yield from _faults_of_plain(
        (((key, "gateway", index) if listed else (key, "gateway")), text) for index, text in routers
    )
    yield from _faults_of_plain(
        ((key, "dns", index), text) for index, text in enumerate(settings.get("dns", ()))
    )
    for index, route in enumerate(settings.get("routes", ())):
        yield from _faults_of_route(route, (key, "routes", index))


def _fault_of_interface(text: str, path: KeyPath) -> Iterator[Diagnostic]:
    """Yield the fault of an address that has no prefix length or is none."""
    if "/" not in text:
        message = f"{text!r} has no prefix length; wanted one such as 192.168.1.53/24"
        yield Diagnostic(message, "NET021", "add /24 for the mask 255.255.255.0", path)
        return
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        message = f"{text!r} is not a valid address with a prefix length"
        yield Diagnostic(message, "NET021", "write one such as 192.168.1.53/24", path)
        return
    address, _, length = text.partition("/")
    if "%" in address:
        message = f"{text!r} has a scope; wanted an address and a prefix length"
        yield Diagnostic(message, "NET021", f"write {address.partition('%')[0]}/{length}", path)
    elif not _PREFIX.fullmatch(length):
        yield Diagnostic(_has_netmask(text), "NET021", f"write {found.with_prefixlen}", path)


def _has_netmask(text: str) -> str:
    """Return the message for an address or network with a netmask."""
    return f"{text!r} has a netmask, which systemd-networkd ignores; wanted a prefix length"


def _faults_of_plain(texts: Iterable[tuple[KeyPath, str]]) -> Iterator[Diagnostic]:
    """Yield the texts that are no plain IP addresses."""
    for path, text in texts:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            hint = "leave the prefix length out" if "/" in text else "write one such as 192.168.1.1"
            yield Diagnostic(f"{text!r} is not a valid IP address", "NET022", hint, path)


def _faults_of_route(route: Mapping[str, Any], path: KeyPath) -> Iterator[Diagnostic]:
    if "via" in route:
        yield from _faults_of_plain([((*path, "via"), route["via"])])
    to = route["to"]
    if to == "default":
        return
    try:
        network = ipaddress.ip_network(to)
    except ValueError as error:
        yield Diagnostic(f"{error}; wanted a network or `default`", "NET025", path=(*path, "to"))
        return
    _, slash, length = to.partition("/")
    if slash and not _PREFIX.fullmatch(length):
        yield Diagnostic(_has_netmask(to), "NET025", f"write {network}", (*path, "to"))
