"""Writer of systemd.network(5) and systemd.netdev(5) files from a small neutral state.

Photon's networkd runs as uid 76 and takes the first file whose ``[Match]`` fits, so
the files are world-readable and sort before ``99-dhcp-en.network`` and cloud-init's
``10-cloud-init-*``. Photon 3.0 has systemd 239: no link states in
``RequiredForOnline=`` and one ``[DHCP]`` section. Addresses are not judged here.
"""

from collections.abc import Iterable, Iterator

from builder.guestpath import GuestPath, guest
from builder.structs import Struct

DIRECTORY = guest("/etc/systemd/network")
OLD_RELEASES = frozenset({"3.0", ""})
"""Releases that get what systemd 239 understands; the unknown one is among them."""


class Route(Struct, frozen=True):
    """A static route; an empty destination is the default route."""

    destination: str = ""
    gateway: str = ""
    metric: int | None = None


class Vlan(Struct, frozen=True):
    """A VLAN interface to make on top of another interface."""

    name: str
    id: int


class Link(Struct, frozen=True):
    """What one interface should have.

    Attributes:
        key: Name in file names.
        name: Interface name to match; empty when ``mac`` does.
        mac: Hardware address to match.
        addresses: With prefix lengths.
        gateways: Default routers.
        dns: Name servers.
        domains: Search domains.
        dhcp: ``no``, ``yes``, ``ipv4`` or ``ipv6``, as systemd.network(5) has it.
        routes: Further routes.
        vlans: Names of the VLANs on top of it.
        mtu: Bytes, or ``None`` for the driver's own.
        accept_ra: Whether IPv6 router advertisements are accepted.
        required: Whether the machine counts as online only with this interface.
    """

    key: str
    name: str = ""
    mac: str = ""
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    dhcp: str = "no"
    routes: tuple[Route, ...] = ()
    vlans: tuple[str, ...] = ()
    mtu: int | None = None
    accept_ra: bool = False
    required: bool = True

    @property
    def wants_ipv6(self) -> bool:
        """Return whether IPv6 needs more than a link-local address."""
        asks = self.accept_ra or self.dhcp in {"yes", "ipv6"}
        return asks or any(":" in address for address in self.addresses)


def file_path(key: str, suffix: str) -> GuestPath:
    """Return where the file for interface ``key`` goes: ``network`` or ``netdev``."""
    return guest(f"{DIRECTORY}/05-photon-builder-{key}.{suffix}")


def format_network(link: Link, *, release: str = "") -> str:
    """Return the ``.network`` file for ``link``."""
    sections = [
        ("Match", _match(link)),
        ("Link", _link(link, release)),
        ("Network", _network(link)),
        *(("Route", _route(route)) for route in link.routes),
        *_dhcp_sections(link, release),
    ]
    return _format(sections)


def format_vlan(vlan: Vlan) -> str:
    """Return the ``.netdev`` file that makes ``vlan``."""
    return _format([("NetDev", [f"Name={vlan.name}", "Kind=vlan"]), ("VLAN", [f"Id={vlan.id}"])])


def _match(link: Link) -> Iterator[str]:
    """Yield what the interface is recognised by."""
    if link.mac:
        yield f"MACAddress={link.mac}"
    if link.name:
        yield f"Name={link.name}"


def _link(link: Link, release: str) -> Iterator[str]:
    """Yield the settings of the interface itself."""
    if link.mtu is not None:
        yield f"MTUBytes={link.mtu}"
    routable = "yes" if release in OLD_RELEASES else "routable"
    yield f"RequiredForOnline={routable if link.required else 'no'}"


def _network(link: Link) -> Iterator[str]:
    """Yield addresses, routers and name servers."""
    yield f"DHCP={link.dhcp}"
    yield from (f"Address={address}" for address in link.addresses)
    yield from (f"Gateway={gateway}" for gateway in link.gateways)
    yield from (f"DNS={server}" for server in link.dns)
    if link.domains:
        yield f"Domains={' '.join(link.domains)}"
    yield from (f"VLAN={name}" for name in link.vlans)
    yield f"IPv6AcceptRA={'yes' if link.accept_ra else 'no'}"
    yield "LLMNR=no"
    yield "MulticastDNS=no"


def _route(route: Route) -> Iterator[str]:
    """Yield the settings of one route."""
    if route.destination:
        yield f"Destination={route.destination}"
    if route.gateway:
        yield f"Gateway={route.gateway}"
    if route.metric is not None:
        yield f"Metric={route.metric}"


def _dhcp_sections(link: Link, release: str) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield what keeps a lease's name servers out when the spec names some."""
    if not link.dns:
        return
    if link.dhcp != "no":
        versions = {"ipv4": ("DHCPv4",), "ipv6": ("DHCPv6",)}.get(link.dhcp, ("DHCPv4", "DHCPv6"))
        names = ("DHCP",) if release in OLD_RELEASES else versions
        yield from ((name, ["UseDNS=no"]) for name in names)
    if link.accept_ra:
        yield "IPv6AcceptRA", ["UseDNS=no"]


def _format(sections: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Return sections with their lines, an empty line between them."""
    return "\n".join(
        "".join(f"{line}\n" for line in (f"[{title}]", *lines)) for title, lines in sections
    )
