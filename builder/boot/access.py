"""How a spec lets us in: networks to play for the guest, passwords that are known, ssh keys."""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.boot.machine import Network
from builder.errors import SpecError
from builder.guest.interfaces import gateways
from builder.secret import read_secret
from builder.spec import Spec
from builder.structs import Struct

_OWN = Network()


class Account(Struct, frozen=True):
    """A user whose password is known here."""

    name: str
    password: str


def find_network(spec: Spec) -> Network:
    """Return the network in which the spec's first static IPv4 address is at home.

    QEMU then answers as the router and the name server that the spec names, if they lie in the
    network of that address.
    """
    for overlay in spec.overlays:
        for settings in overlay.values.get("network", {}).values():
            found = _network(settings)
            if found is not None:
                return found
    return _OWN


def find_accounts(spec: Spec) -> tuple[Account, ...]:
    """Return the accounts whose passwords are known, root last."""
    found = {account.name: account for account in _iter_accounts(spec)}
    return tuple(sorted(found.values(), key=lambda account: (account.name == "root", account.name)))


def find_key_users(spec: Spec, public_key: str) -> tuple[str, ...]:
    """Return the users whom a public key lets in."""
    wanted = public_key.split()[:2]
    return tuple(
        name
        for overlay in spec.overlays
        for name, settings in overlay.values.get("users", {}).items()
        for key in settings.get("ssh_keys", ())
        if wanted in [line.split()[:2] for line in _key_lines(key, overlay.directory)]
    )


def free_port() -> int:
    """Return a TCP port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _network(settings: Mapping[str, Any]) -> Network | None:
    """Return the network of an interface, ``None`` when it has no static IPv4 address."""
    for text in settings.get("addresses", ()):
        address = ipaddress.ip_interface(text)
        if not isinstance(address, ipaddress.IPv4Interface):
            continue
        inside = [
            each
            for each in (*gateways(settings), *settings.get("dns", ()))
            if ipaddress.ip_address(each) in address.network
        ]
        routers = [each for each in gateways(settings) if each in inside]
        servers = [each for each in settings.get("dns", ()) if each in inside]
        taken = {str(address.ip), *inside}
        spare = (str(each) for each in address.network.hosts() if str(each) not in taken)
        router = routers[0] if routers else next(spare)
        # QEMU wants the router and the name server to be two.
        server = next((each for each in servers if each != router), None) or next(spare)
        return Network(str(address.network), router, server, str(address.ip))
    return None


def _iter_accounts(spec: Spec) -> Iterator[Account]:
    """Yield the accounts whose passwords the spec refers to."""
    for overlay in spec.overlays:
        for name, settings in overlay.values.get("users", {}).items():
            reference = settings.get("password")
            if settings.get("expire") == "first-login" or not isinstance(reference, Mapping):
                continue
            if not reference.keys() & {"env", "file"}:
                continue
            try:
                yield Account(name, read_secret(reference, overlay.directory))
            except SpecError:
                continue


def _key_lines(key: str, directory: Path) -> list[str]:
    """Return the lines of a key, or of the file that it names."""
    if not key.startswith("file:"):
        return [key]
    return (directory / Path(key.removeprefix("file:")).expanduser()).read_text().splitlines()
