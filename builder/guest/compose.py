"""What a compose file says about the host it runs on: ports, networks, files beside it.

Source: Compose Specification, "services" (ports, expose, network_mode, volumes,
env_file, build) and the top-level configs and secrets. Reads a file that has been
parsed and whose variables are expanded; does not judge the rest of it.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from builder.errors import KeyPath
from builder.guestpath import GuestPath, guest, join
from builder.structs import Struct

DIRECTORY = guest("/opt/compose")
_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9A-Fa-f:.]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:(?P<host>[0-9-]*):)?(?P<target>[0-9-]+)"
    r"(?:/(?P<protocol>tcp|udp|sctp))?"
)
_EVERY_ADDRESS = frozenset({"", str(IPv4Address(0)), str(IPv6Address(0))})
_PORTS = 1 << 16


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
        """Say whether ``port`` is among them."""
        return self.first <= port <= self.last

    @property
    def is_everywhere(self) -> bool:
        """Say whether they are bound on every address of the host."""
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
    """Say whether a service uses the host's own network, so its ports are the host's."""
    return service.get("network_mode") == "host"


def iter_published(project: object) -> Iterator[Published]:
    """Yield the host's ports that the project publishes; ports drawn at start are left out.

    Raises:
        ValueError: a port is written in no form that is known.
    """
    for name, service in iter_services(project):
        ports = service.get("ports")
        for index, port in enumerate(_listed(ports)):
            if not is_on_host_network(service):
                yield from _published(name, port, ("services", name, "ports", index))


def iter_exposed(name: str, service: Mapping[str, Any]) -> Iterator[Published]:
    """Yield the ports that a service on the host's network says it listens on.

    Raises:
        ValueError: a port is written in no form that is known.
    """
    for key in ("ports", "expose"):
        for index, port in enumerate(_listed(service.get(key))):
            path = ("services", name, key, index)
            text = str(port.get("target", "")) if isinstance(port, dict) else str(port)
            found = _SHORT.fullmatch(text)
            if not found:
                raise ValueError(f"{text!r} is no port")
            protocol = port.get("protocol") if isinstance(port, dict) else found["protocol"]
            first, last = _range(found["target"])
            yield Published(name, first, last, protocol or "tcp", path=path)


def _published(service: str, port: object, path: KeyPath) -> Iterator[Published]:
    """Yield the host's ports of one entry, in short or long form."""
    if isinstance(port, dict):
        ports = str(port.get("published") or "")
        address, protocol = str(port.get("host_ip", "")), str(port.get("protocol", "tcp"))
    else:
        found = _SHORT.fullmatch(str(port))
        if not found:
            raise ValueError(f"{port!r} is no port; wanted host:container, such as 8080:80")
        ports, protocol = found["host"] or "", found["protocol"] or "tcp"
        address = (found["ip"] or "").strip("[]")
    if ports:
        first, last = _range(ports)
        yield Published(service, first, last, protocol, address, path)


def _range(text: str) -> tuple[int, int]:
    """Return first and last port of ``80`` or ``8000-8010``.

    Raises:
        ValueError: the text is neither.
    """
    found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    first = int(found[1]) if found else 0
    last = int(found[2] or first) if found else 0
    if not 0 < first <= last < _PORTS:
        raise ValueError(f"{text!r} is no port; ports are 1 to 65535, the lower one first")
    return first, last


def iter_local_files(project: object) -> Iterator[tuple[str, KeyPath]]:
    """Yield the relative paths that the project takes from beside its file, and where it says so.

    Paths that leave the project's folder are left out, as are build contexts.
    """
    for text, path in _all_files(project):
        if not text.startswith(("/", "~")):
            relative = posixpath.normpath(text)
            if relative != "." and not relative.startswith(".."):
                yield relative, path


def _all_files(project: object) -> Iterator[tuple[str, KeyPath]]:
    """Yield every path of this machine that the project names."""
    for name, service in iter_services(project):
        at: KeyPath = ("services", name)
        named = [
            (source, (*at, key, index))
            for key, find in (("volumes", _bind_source), ("env_file", _env_source))
            for index, entry in enumerate(_listed(service.get(key)))
            if (source := find(entry))
        ]
        yield from named
        if extended := _mapping(service.get("extends")).get("file"):
            yield str(extended), (*at, "extends", "file")
    for kind in ("configs", "secrets"):
        for name, entry in _mapping(_mapping(project).get(kind)).items():
            if file := _mapping(entry).get("file"):
                yield str(file), (kind, name, "file")


def iter_host_paths(project: object) -> Iterator[str]:
    """Yield the absolute paths of the host that the project's containers use."""
    for text, path in _all_files(project):
        if text.startswith("/") and path[2:3] == ("volumes",):
            yield posixpath.normpath(text)
    for volume in _mapping(_mapping(project).get("volumes")).values():
        options = _mapping(_mapping(volume).get("driver_opts"))
        device = str(options.get("device", ""))
        if device.startswith("/") and "bind" in str(options.get("o", "")):
            yield posixpath.normpath(device)


def _mapping(value: object) -> dict[str, Any]:
    """Return a value when it is a mapping, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def _env_source(entry: object) -> str:
    """Return the path of an entry of ``env_file``, in short or long form."""
    return str(entry.get("path", "")) if isinstance(entry, dict) else str(entry)


def _listed(value: object) -> list[Any]:
    """Return a value that may be one or a list of some as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _bind_source(volume: object) -> str:
    """Return the host path that a volume binds; empty for named and anonymous volumes."""
    if isinstance(volume, dict):
        source = volume.get("source", "") if volume.get("type") == "bind" else ""
        return source if isinstance(source, str) else ""
    source, colon, _ = str(volume).partition(":")
    return source if colon and source.startswith((".", "/", "~")) else ""
