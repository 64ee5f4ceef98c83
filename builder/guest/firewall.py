"""Rules of Photon's packet filter: lines of iptables-save(8) text.

``iptables.service`` flushes all tables and restores ``/etc/systemd/scripts/ip4save``
and ``ip6save``, each with one ``*filter`` table that drops by default. A rule takes
effect anywhere before ``COMMIT``. Early revisions drop ICMPv6, and with it neighbour discovery.
"""

import ipaddress
import re

from builder.guestpath import GuestPath, guest
from builder.structs import Struct

UNIT = "iptables.service"
SCRIPT = guest("/etc/systemd/scripts/iptables")
IP4SAVE = guest("/etc/systemd/scripts/ip4save")
IP6SAVE = guest("/etc/systemd/scripts/ip6save")
BEFORE = "COMMIT"
"""The line before which every rule goes."""

ICMPV6 = "-A INPUT -p ipv6-icmp -j ACCEPT"
DHCPV6 = "-A INPUT -s fe80::/10 -p udp -m udp --sport 547 --dport 546 -j ACCEPT"
"""Servers answer from link-local addresses, RFC 8415, to a question that was for a group: it is
no connection that the rules know of."""

PING = "-A INPUT -p icmp -m icmp --icmp-type echo-request -j ACCEPT"
DOCKER_BRIDGES = ("-A INPUT -i docker0 -j ACCEPT", "-A INPUT -i br-+ -j ACCEPT")

_OPENING = re.compile(r"(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?(?:/(?P<protocol>tcp|udp))?")
_PORTS = 1 << 16


class Opening(Struct, frozen=True):
    """Ports that may be reached from outside.

    Attributes:
        first: First port.
        last: Last port, the same for a single one.
        protocol: ``tcp`` or ``udp``.
        source: Network that may reach them; empty for every one.
    """

    first: int
    last: int
    protocol: str = "tcp"
    source: str = ""


def parse_opening(text: str, source: str = "") -> Opening:
    """Return the opening that ``80/tcp``, ``53/udp``, ``8000-8010/tcp`` or ``443`` means.

    Raises:
        ValueError: the text is none of these, or the source is no network.
    """
    found = _OPENING.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a valid port; wanted 80/tcp, 53/udp or 8000-8010/tcp")
    first = int(found["first"])
    last = int(found["last"] or first)
    if not 0 < first <= last < _PORTS:
        raise ValueError(f"{text!r}: ports are 1 to 65535, the lower one first")
    if source:
        ipaddress.ip_network(source)
    return Opening(first, last, found["protocol"] or "tcp", source)


def format_rules(opening: Opening) -> tuple[tuple[GuestPath, str], ...]:
    """Return the file and the line of each rule that ``opening`` needs: IPv4, IPv6 or both."""
    ports = (
        str(opening.first) if opening.first == opening.last else f"{opening.first}:{opening.last}"
    )
    source = f"-s {opening.source} " if opening.source else ""
    protocol = opening.protocol
    line = f"-A INPUT {source}-p {protocol} -m {protocol} --dport {ports} -j ACCEPT"
    if not opening.source:
        return (IP4SAVE, line), (IP6SAVE, line)
    return ((IP6SAVE if ":" in opening.source else IP4SAVE, line),)
