"""What a compose file says about the host it runs on: ports, networks, files beside it.

Source: Compose Specification, "services" (ports, expose, network_mode, volumes,
env_file, build) and the top-level configs and secrets. Reads a file that has been
parsed and whose variables are expanded; does not judge the rest of it.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from builder.errors import KeyPath
from builder.guestpath import GuestPath, guest, join
from builder.structs import Struct

DIRECTORY = guest("/opt/compose")
_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9A-Fa-f:.]+\]|[0-9.]*):(?=[0-9-]*:))?"
    r"(?:(?P<host>[0-9-]*):)?(?P<target>[0-9-]+)"
)
_PROTOCOLS = frozenset({"", "tcp", "udp", "sctp"})
_WANTED = "wanted host:container, such as 8080:80"
_EVERY_ADDRESS = frozenset({"", str(IPv4Address(0)), str(IPv6Address(0))})
_PORTS = 1 << 16


class PortError(ValueError):
    """A port is written in no form that is known; ``path`` says where."""

    def __init__(self, message: str, path: KeyPath) -> None:
        super().__init__(message)
        self.path = path


class Published(Struct, frozen=True):
    """Ports of the host that reach a container.

    Attributes:
        service: Name of the service.
        first: First port on the host.
        last: Last port, the same for a single one.
        protocol: ``tcp``, ``udp`` or ``sctp``.
        address: Address of the host they are bound to; empty for every one.
        path: Where the file says so.
    """

    service: str
    first: int
    last: int
    protocol: str = "tcp"
    address: str = ""
    path: KeyPath = ()

    def covers(self, port: int) -> bool:
        """Return whether ``port`` is among them."""
        return self.first <= port <= self.last

    @property
    def is_everywhere(self) -> bool:
        """Return whether they are bound on every address of the host."""
        return self.address in _EVERY_ADDRESS

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{ports}/{self.protocol}"


def project_directory(name: str) -> GuestPath:
    """Return where the project ``name`` lies in the guest."""
    return join(DIRECTORY, name)


def iter_services(project: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and settings of each service that is a mapping."""
    for name, service in _mapping(_mapping(project).get("services")).items():
        if isinstance(service, dict):
            yield str(name), service


def is_on_host_network(service: Mapping[str, Any]) -> bool:
    """Return whether a service uses the host's network, so its ports are the host's."""
    return service.get("network_mode") == "host"


def iter_published(project: object) -> Iterator[Published]:
    """Yield the host's ports that the project publishes; ports drawn at start are left out.

    Raises:
        PortError: a port is written in no form that is known.
    """
    for name, service in iter_services(project):
        for index, port in enumerate(_listed(service.get("ports"))):
            path = ("services", name, "ports", index)
            try:
                published = list(_published(name, port, path))
            except ValueError as error:
                raise PortError(str(error), path) from None
            if not is_on_host_network(service):
                yield from published


def iter_exposed(name: str, service: Mapping[str, Any]) -> Iterator[Published]:
    """Yield the ports that a service on the host's network says it listens on.

    Raises:
        PortError: a port is written in no form that is known.
    """
    for key in ("ports", "expose"):
        for index, port in enumerate(_listed(service.get(key))):
            path = ("services", name, key, index)
            text = str(port.get("target", "")) if isinstance(port, dict) else str(port)
            try:
                found, protocol = _short(text)
                first, last = _range(found["target"])
            except ValueError as error:
                raise PortError(str(error), path) from None
            if isinstance(port, dict):
                protocol = str(port.get("protocol") or "tcp")
            yield Published(name, first, last, protocol, path=path)


def _short(text: str) -> tuple[re.Match[str], str]:
    """Return the parts of a port in short form, and its protocol.

    Raises:
        ValueError: it is no such form.
    """
    ports, _, protocol = text.partition("/")
    found = _SHORT.fullmatch(ports)
    if not found or protocol.lower() not in _PROTOCOLS:
        raise ValueError(f"{text!r} is not a valid port; {_WANTED}")
    if address := (found["ip"] or "").strip("[]"):
        _check_address(address, text)
    return found, protocol.lower() or "tcp"


def _published(service: str, port: object, path: KeyPath) -> Iterator[Published]:
    """Yield the host's ports of one entry, in short or long form."""
    if isinstance(port, dict):
        ports = str(port.get("published") or "")
        address, protocol = str(port.get("host_ip", "")), str(port.get("protocol", "tcp"))
    else:
        found, protocol = _short(str(port))
        ports, address = found["host"] or "", (found["ip"] or "").strip("[]")
        _check_target(ports, found["target"])
    if ports and ports != "0":
        first, last = _range(ports)
        yield Published(service, first, last, protocol, address, path)


def _check_address(address: str, text: str) -> None:
    """Check the host's address of a port in short form.

    Raises:
        ValueError: it is none.
    """
    try:
        ip_address(address)
    except ValueError:
        raise ValueError(f"{text!r} is not a valid port: {address!r} is no address") from None


def _check_target(ports: str, target: str) -> None:
    """Check the container's side of a port in short form.

    Raises:
        ValueError: it is no port, or another number of ports than the host's side.
    """
    first, last = _range(target)
    if ports and ports != "0" and first != last:
        lowest, highest = _range(ports)
        if highest - lowest != last - first:
            raise ValueError(f"{ports}:{target} is not a valid port: the ranges differ in length")


def _range(text: str) -> tuple[int, int]:
    """Return first and last port of ``80`` or ``8000-8010``.

    Raises:
        ValueError: the text is neither.
    """
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first = int(found[1]) if found else 0
    last = int(found[2] or first) if found else 0
    if not 0 < first <= last < _PORTS:
        raise ValueError(f"{text!r} is not a valid port; wanted 1 to 65535, the lower one first")
    return first, last


def _mapping(value: object) -> dict[str, Any]:
    """Return a value when it is a mapping, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    """Return a value that may be one or a list of some as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def named_volume(volume: object) -> str:
    """Return the volume that a mount names; empty for binds and anonymous volumes."""
    if isinstance(volume, dict):
        source = volume.get("source") if volume.get("type") == "volume" else None
        return source if isinstance(source, str) else ""
    source, colon, _ = str(volume).partition(":")
    return source if colon and not source.startswith((".", "/", "~")) else ""
