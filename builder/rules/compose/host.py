"""Rules of compose projects, and what they mean for the host.

Source: Compose Specification, "services".
"""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.guest.compose import Published
from builder.rules.compose.projects import iter_services, projects
from builder.rules.model import Rule, Subject, error, warning

_SSH = 22
_RPCBIND = 111


def _taken(subject: Subject) -> Iterator[tuple[Published, str, str]]:
    """Yield the ports that the host itself needs, who needs them, and the remedy."""
    ports = [section["port"] for _, section in subject.sections("ssh") if "port" in section]
    ssh = ports[0] if ports else _SSH
    yield (
        Published("", ssh, ssh),
        "sshd",
        "publish another port, or move sshd with `ssh: {port: …}`",
    )
    shares = any(mount.get("type") == "nfs" for _, _, mount in subject.listed("mounts"))
    if shares or subject.packages() & {"nfs-utils", "rpcbind"}:
        for protocol in ("tcp", "udp"):
            port = Published("", _RPCBIND, _RPCBIND, protocol)
            yield port, "rpcbind, which NFS brings along", "publish another port"


def _clashes(subject: Subject) -> Iterator[Diagnostic]:
    """Find ports of the host that two want."""
    holders = list(_taken(subject))
    for project in projects(subject):
        for port in project.ports():
            held = next((holder for holder in holders if _overlap(holder[0], port)), None)
            if held:
                message = f"the host's port {port} belongs to {held[1]}"
                yield project.find(port.path, message, held[2])
            whose = f"{port.service} of compose.{project.name}"
            holders.append((port, whose, "publish another port of the host"))


def _overlap(one: Published, other: Published) -> bool:
    """Return whether two cannot be bound together."""
    ports = one.first <= other.last and other.first <= one.last
    same = one.is_everywhere or other.is_everywhere or one.address == other.address
    return ports and same and one.protocol == other.protocol


def _builds(subject: Subject) -> Iterator[Diagnostic]:
    """Find services that are built from source."""
    for project, path, service in iter_services(subject):
        if "build" in service:
            message = f"{path[-1]} is to be built on the machine; wanted an image"
            hint = "build and push it elsewhere, and name it under `image`"
            yield project.find((*path, "build"), message, hint)


def _versions(subject: Subject) -> Iterator[Diagnostic]:
    """Find the key that compose no longer reads."""
    for project in projects(subject):
        if isinstance(project.value, dict) and "version" in project.value:
            message = "`version` is obsolete: compose warns of it at every start"
            yield project.find(("version",), message, "drop the line")


def _restarts(subject: Subject) -> Iterator[Diagnostic]:
    """Find services that stay down once they have stopped."""
    for project, path, service in iter_services(subject):
        deploy = service.get("deploy")
        policy = isinstance(deploy, dict) and "restart_policy" in deploy
        if "restart" not in service and not policy:
            message = (
                f"{path[-1]} has no `restart`: after a crash it stays down until the next boot"
            )
            yield project.find(path, message, "add `restart: unless-stopped`")


def _powers(subject: Subject) -> Iterator[Diagnostic]:
    """Find containers that are root on the host."""
    for project, path, service in iter_services(subject):
        if service.get("privileged") is True:
            message = f"{path[-1]} is privileged: who breaks into it is root of the host"
            yield project.find(
                (*path, "privileged"), message, "give it single capabilities: cap_add"
            )
        volumes = service.get("volumes")
        for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
            source = volume.get("source") if isinstance(volume, dict) else volume
            if str(source).startswith(("/var/run/docker.sock", "/run/docker.sock")):
                message = (
                    f"{path[-1]} holds docker's socket: who breaks into it is root of the host"
                )
                hint = "put a filtering proxy in between, or be sure of the image"
                yield project.find((*path, "volumes", index), message, hint)


def _names(subject: Subject) -> Iterator[Diagnostic]:
    """Find container names that two services want."""
    seen: dict[str, str] = {}
    for project, path, service in iter_services(subject):
        name = service.get("container_name")
        if isinstance(name, str):
            owner = f"{path[-1]} of compose.{project.name}"
            other = seen.setdefault(name, owner)
            if other != owner:
                message = f"{other} is named {name} already, and names are the whole host's"
                yield project.find((*path, "container_name"), message, "drop container_name")


RULES: tuple[Rule, ...] = (
    error(
        "CMP001",
        "not a compose file",
        "It is not YAML, or has no services. Positions in the message are those of the compose "
        "file. Compose reads YAML 1.2: 53:53 is text, and a key given twice is an error.",
    ),
    error(
        "CMP003",
        "two want one port of the host",
        "Only one program can listen on a port of the host. sshd has 22 unless `ssh.port` says "
        "otherwise, rpcbind has 111 where NFS is used, and every app has what it publishes. Port "
        "53 is no clash: systemd-resolved's stub is moved out of the way (CMP004).",
        _clashes,
    ),
    warning(
        "CMP004",
        "port 53 is taken from systemd-resolved",
        "systemd-resolved listens on 127.0.0.53:53, so nothing can publish port 53 of every "
        "address. When an app does, the stub is switched off and /etc/resolv.conf is pointed at "
        "the upstream servers; `photon-builder plan` shows both. Nothing is left to do.",
    ),
    warning(
        "CMP005",
        "a service on the host's network, with unknown ports",
        "With network_mode: host the ports of the service are the host's own, and Photon's "
        "firewall drops everything but ssh. Published ports of other services need no rule. List "
        "the ports under firewall.open, or under the service's expose, from which the rules are "
        "made.",
    ),
    error(
        "CMP008",
        "a service that is built on the machine",
        "`build` needs its sources and a build at the first boot. Name an image that is built and "
        "pushed elsewhere.",
        _builds,
    ),
    warning(
        "CMP009",
        "an obsolete key",
        "Compose has ignored `version` since release 1.27 and warns of it at every start.",
        _versions,
    ),
    warning(
        "CMP010",
        "a service that does not come back",
        "Without `restart` a container that crashed stays down until the machine boots again.",
        _restarts,
    ),
    warning(
        "CMP014",
        "a container that is root of the host",
        "A privileged container, or one that holds docker's socket, can do everything on the host. "
        "Give single capabilities or devices instead where that is enough.",
        _powers,
    ),
    error(
        "CMP018",
        "two containers of one name",
        "`container_name` is unique on a host, over all projects; the second one does not start.",
        _names,
    ),
    error(
        "CMP020",
        "an image cannot be shipped inside",
        "preload: true and `docker: {images: […]}` put container images into the artifact, so that "
        "the first boot needs no network. Which blobs those are is read from the lock file: "
        "`photon-builder lock SPEC` asks the registry once, and later builds ship the same bytes. "
        "An image whose tag is given by reference cannot be locked.",
    ),
    error(
        "CMP050",
        "one tag for two images",
        "Images that are shipped are loaded by their tags, and a tag means one image. Two projects "
        "want it with different digests, or for different platforms.",
    ),
    error(
        "CMP021",
        "the compose file is not there",
        "file is relative to the folder of the file that names it, and must be a file, not a "
        "folder.",
    ),
    error(
        "CMP022",
        "not a port",
        "Ports are written host:container, with an address before and /tcp or /udp after it if "
        "needed, or as a mapping with target and published. IPv6 addresses stand in brackets. "
        "Ranges have the lower port first.",
    ),
    error(
        "CMP038",
        "a file of a compose project leads out of its folder",
        "A symbolic link beside the compose file leads to another place of this machine, and what "
        "lies there would get into the image: in a project of somebody else's that may be your "
        "keys. Copy what the guest shall have into the project's folder.",
    ),
)
