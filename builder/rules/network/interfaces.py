"""The interfaces of a spec with their addresses parsed, as the network rules look at them."""

import ipaddress
from collections.abc import Iterator
from typing import Any, TypeAlias

from builder.errors import Diagnostic, KeyPath
from builder.guest.interfaces import gateways
from builder.rules.model import Subject, find
from builder.spec import Overlay
from builder.structs import Struct

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Nic(Struct, frozen=True):
    """One interface of the spec; what cannot be parsed is left out, others complain of it.

    Attributes:
        overlay: The overlay that has it.
        key: Its key under ``network``.
        settings: What the spec says of it.
    """

    overlay: Overlay
    key: str
    settings: dict[str, Any]

    def find(self, path: KeyPath, message: str, hint: str = "") -> Diagnostic:
        """Return a finding below this interface."""
        return find(self.overlay, ("network", self.key, *path), message, hint)

    @property
    def has_lease(self) -> bool:
        """Return whether it asks for a lease."""
        lease = self.settings.get("dhcp", not self.settings.get("addresses"))
        return str(lease).lower() not in {"no", "false"} and "vlan" not in self.settings

    def addresses(self) -> Iterator[tuple[KeyPath, Interface]]:
        """Yield path and value of each address with its prefix length."""
        for index, text in enumerate(self.settings.get("addresses", ())):
            try:
                yield ("addresses", index), ipaddress.ip_interface(text)
            except ValueError:
                continue

    def gateways(self) -> Iterator[tuple[KeyPath, Address]]:
        """Yield path and value of each router."""
        listed = isinstance(self.settings.get("gateway"), list)
        for index, text in enumerate(gateways(self.settings)):
            address = parse(text)
            if address:
                yield (("gateway", index) if listed else ("gateway",)), address

    def servers(self) -> Iterator[tuple[KeyPath, Address]]:
        """Yield path and value of each name server."""
        for index, text in enumerate(self.settings.get("dns", ())):
            address = parse(text)
            if address:
                yield ("dns", index), address


def parse(text: object) -> Address | None:
    """Return an address, ``None`` when the text is none."""
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None


def nics(subject: Subject) -> list[Nic]:
    """Return every interface of every overlay."""
    return [
        Nic(overlay, key, settings)
        for overlay, section in subject.sections("network")
        for key, settings in section.items()
    ]


def mentioned(subject: Subject) -> Iterator[tuple[Overlay, KeyPath, Address]]:
    """Yield every single address that the spec mentions, with its place."""
    for nic in nics(subject):
        at: KeyPath = ("network", nic.key)
        for path, interface in nic.addresses():
            yield nic.overlay, (*at, *path), interface.ip
        for path, address in (*nic.gateways(), *nic.servers()):
            yield nic.overlay, (*at, *path), address
    for overlay, path, mount in subject.listed("mounts"):
        host = parse(str(mount.get("source", "")).strip("/").partition("/")[0].rstrip(":"))
        if host:
            yield overlay, (*path, "source"), host
