"""Rules of ``.network`` files that a spec brings along as files.

Source: systemd.network(5): the first file in the order of names whose [Match] fits an interface
is taken, all others are ignored; networkd runs as its own user.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from builder.engine.text.systemd import iter_assignments
from builder.errors import Diagnostic, Place
from builder.guest.modes import NETWORKD_DIRECTORY
from builder.rules.model import Rule, Subject, error, find
from builder.structs import Struct, replace

_DHCP_FILE = "99-dhcp-en.network"
_DHCP_START = "e"
"""The base's own file matches ``e*``."""

_WILD = frozenset("*?[")
_LARGEST = 1 << 16


class NetworkFile(Struct, frozen=True):
    """A ``.network`` file of the spec: its name, its settings and where a finding goes."""

    name: str
    settings: dict[tuple[str, str], str]
    finding: Diagnostic

    def told(self, message: str, hint: str) -> Diagnostic:
        """Return a finding about this file."""
        return replace(self.finding, message=message, hint=hint)

    @property
    def names(self) -> list[str]:
        """The interface names it matches."""
        return self.settings.get(("Match", "Name"), "").split()


def _files(subject: Subject) -> Iterator[NetworkFile]:
    """Yield every ``.network`` file, from ``files`` and from the trees of overlays."""
    for overlay, path, entry in subject.listed("files"):
        target = str(entry.get("path", ""))
        text = entry.get("content")
        if "source" in entry:
            text = _text(overlay.directory / Path(entry["source"]).expanduser())
        if _is_network(target) and isinstance(text, str):
            yield _file(target, text, find(overlay, (*path, "path"), ""))
    for overlay in subject.spec.overlays:
        folder = overlay.files / NETWORKD_DIRECTORY.lstrip("/") if overlay.files else None
        for file in sorted(folder.glob("*.network")) if folder else ():
            text = _text(file)
            before = text.partition("Name=")[0]
            place = Place(file, before.count("\n") + 1, 1)
            finding = Diagnostic("", place=place)
            yield _file(file.name, text, finding)


def _is_network(path: str) -> bool:
    """Return whether networkd reads what lies at a path."""
    pure = PurePosixPath(path)
    return str(pure.parent) == NETWORKD_DIRECTORY and pure.suffix == ".network"


def _text(path: Path) -> str:
    """Return a file's text; nothing when it cannot be read, others complain of that."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST).decode(errors="replace")
    except OSError:
        return ""


def _file(path: str, text: str, finding: Diagnostic) -> NetworkFile:
    """Return a file with its settings."""
    settings = {(section, key): value for section, key, value in iter_assignments(text)}
    return NetworkFile(PurePosixPath(path).name, settings, finding)


def _wildcards(subject: Subject) -> Iterator[Diagnostic]:
    """Find files that fit more interfaces than meant."""
    for file in _files(subject):
        fixed = ("Network", "Address") in file.settings or ("Address", "Address") in file.settings
        for name in file.names:
            if name == "*" or (fixed and _WILD & set(name)):
                message = f"{file.name} matches Name={name}: every interface that fits gets it"
                hint = "name the interface exactly, or match MACAddress="
                yield file.told(message, hint)


def _netmasks(subject: Subject) -> Iterator[Diagnostic]:
    """Find addresses of ``.network`` files with a netmask in the place of the prefix length."""
    for file in _files(subject):
        for (_, key), value in file.settings.items():
            if key not in {"Address", "Destination"} or "." not in value.partition("/")[2]:
                continue
            try:
                meant = ipaddress.ip_interface(value).with_prefixlen
            except ValueError:
                continue
            message = f"{file.name}: systemd-networkd ignores {key}={value}, which has a netmask"
            yield file.told(message, f"write {key}={meant}")


def _too_late(subject: Subject) -> Iterator[Diagnostic]:
    """Find files that the base's own come before."""
    for file in _files(subject):
        fits = [n for n in file.names if n.startswith(_DHCP_START) or set(n[:1]) & _WILD]
        by_mac = ("Match", "MACAddress") in file.settings and not file.names
        if file.name > _DHCP_FILE and (fits or by_mac):
            message = f"{file.name} sorts after {_DHCP_FILE}, which then has the interface already"
            yield file.told(message, f"name it 10-{file.name.lstrip('0123456789-')}")


RULES: tuple[Rule, ...] = (
    error(
        "NET009",
        "a .network file that matches too much",
        "`Name=*` also matches lo and docker0, so each of them gets the address and a default "
        "route. With a fixed address, any pattern may do the same. Use the `network` key, or an "
        "exact name.",
        _wildcards,
    ),
    error(
        "NET010",
        "a .network file that comes too late",
        "networkd takes the first file, in the order of names, that matches an interface. Photon's "
        "99-dhcp-en.network matches e*, so a file that sorts after it has no effect and the "
        "machine asks for a lease. A name that begins with 10- is early enough.",
        _too_late,
    ),
    error(
        "NET030",
        "a file that networkd cannot read",
        "systemd-networkd runs as uid 76, not as root. It skips a file that it may not read "
        "and says so only in the journal. Photon's umask of 027 makes such files by default, which "
        "is why static addresses set by hand often have no effect. Leave the mode out, or write "
        "0644.",
    ),
    error(
        "NET020",
        "the name of an interface is a pattern, or none",
        "A .network file whose Name= holds a wildcard matches lo, docker0 and every other "
        "interface too, and gives each the same static address. An interface name has 1 to 15 "
        "letters and no blank or slash. Name the interface exactly, or match its hardware address "
        "with match: {mac: …}. The key also becomes part of a file name, so it holds letters, "
        "digits, _, . and - only.",
    ),
    error(
        "NET021",
        "an address without a prefix length",
        "systemd-networkd takes an address without a prefix length as a network of one machine, so "
        "no neighbour is reachable, and ignores one with a netmask, as in "
        "192.168.1.53/255.255.255.0. Write the address with its prefix length: 192.168.1.53/24 is "
        "the mask 255.255.255.0. IPv6 addresses usually have /64.",
        _netmasks,
    ),
    error(
        "NET022",
        "a gateway or name server is no IP address",
        "These are plain addresses without a prefix length. A name cannot be used, since it could "
        "only be looked up once the network is up.",
    ),
    error(
        "NET023",
        "a VLAN on an interface that is not described",
        "A VLAN is made by the interface below it: that interface's own .network file names it. So "
        "the interface below must be a key of network as well. An empty value is enough: eth0: "
        "{dhcp: no}.",
    ),
    error(
        "NET024",
        "not a hardware address",
        "A hardware address has six pairs of hexadecimal digits between colons or dashes. ip link "
        "shows it; for a VMware machine it is in the .vmx file as ethernet0.address.",
    ),
    error(
        "NET025",
        "not a route",
        "A route goes to a network with its prefix length, such as 10.9.0.0/16, or to `default`. "
        "The bits after the prefix must be zero: 10.0.0.1/8 is an address, 10.0.0.0/8 is the "
        "network.",
    ),
)
