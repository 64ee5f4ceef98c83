"""How a test reaches the guest of a spec: its network, known passwords, SSH keys."""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.boot.machine import GuestNetwork
from builder.errors import SpecError
from builder.guest.interfaces import gateways
from builder.secret import read_secret
from builder.spec import Spec
from builder.structs import Struct

_OWN = GuestNetwork()


class PasswordLogin(Struct, frozen=True):
    """A user whose password the spec refers to."""

    name: str
    password: str


def find_network(spec: Spec) -> GuestNetwork:
    """Return the network of the spec's first static IPv4 address.

    QEMU then answers as the router and the name server of the spec, if their addresses are in it.
    """
    for overlay in spec.overlays:
        for settings in overlay.values.get("network", {}).values():
            found = _network(settings)
            if found is not None:
                return found
    return _OWN


def find_accounts(spec: Spec) -> tuple[PasswordLogin, ...]:
    """Return the users whose passwords are known, root last."""
    found = {account.name: account for account in _iter_accounts(spec)}
    return tuple(sorted(found.values(), key=lambda account: (account.name == "root", account.name)))


def find_key_users(spec: Spec, public_key: str) -> tuple[str, ...]:
    """Return the users that have a public key."""
    wanted = public_key.split()[:2]
    return tuple(
        name
        for overlay in spec.overlays
        for name, settings in overlay.values.get("users", {}).items()
        for key in settings.get("ssh_keys", ())
        if wanted in [line.split()[:2] for line in _key_lines(key, overlay.directory)]
    )


def free_port() -> int:
    """Return a free TCP port of the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _network(settings: Mapping[str, Any]) -> GuestNetwork | None:
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
        # QEMU needs two addresses for router and name server.
        server = next((each for each in servers if each != router), None) or next(spare)
        return GuestNetwork(str(address.network), router, server, str(address.ip))
    return None


def _iter_accounts(spec: Spec) -> Iterator[PasswordLogin]:
    for overlay in spec.overlays:
        for name, settings in overlay.values.get("users", {}).items():
            reference = settings.get("password")
            if settings.get("expire") == "first-login" or not isinstance(reference, Mapping):
                continue
            if not reference.keys() & {"env", "file"}:
                continue
            try:
                yield PasswordLogin(name, read_secret(reference, overlay.directory))
            except SpecError:
                continue


def _key_lines(key: str, directory: Path) -> list[str]:
    if not key.startswith("file:"):
        return [key]
    return (directory / Path(key.removeprefix("file:")).expanduser()).read_text().splitlines()
