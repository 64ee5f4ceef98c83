"""What a compose project's ports need of the host; no feature of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import Severity
from builder.features import Context, Reasoned, Requested
from builder.features.compose.dns import dns_changes
from builder.features.openings import opening_changes, rule
from builder.features.projects import Project
from builder.guest import firewall
from builder.guest.compose import (
    PortError,
    Published,
    is_on_host_network,
    iter_exposed,
    iter_published,
    iter_services,
)

_PORT_HINT = "write host:container, such as 8080:80 or 127.0.0.1:8080:80/udp"


def port_changes(project: Project, context: Context) -> Iterator[Requested]:
    """Yield the rules and settings that follow from the project's ports."""
    try:
        published = list(iter_published(project.expanded))
    except PortError as error:
        yield project.find(error.path, "CMP022", str(error), _PORT_HINT)
        return
    bridge = f"containers of compose.{project.name} reach the host by its bridges"
    for line in firewall.DOCKER_BRIDGES:
        yield Reasoned(rule(firewall.IP4SAVE, line), bridge)
    ping = rule(firewall.IP4SAVE, firewall.PING)
    yield Reasoned(ping, f"compose.{project.name} serves others, who may ping it")
    for name, service in iter_services(project.expanded):
        if is_on_host_network(service):
            exposed, wishes = _host_network(project, name, service, context)
            published += exposed
            yield from wishes
    yield from dns_changes(project, published, context)


def _host_network(
    project: Project, name: str, service: Mapping[str, Any], context: Context
) -> tuple[list[Published], list[Requested]]:
    """Return the ports of a service on the host's network, and the rules for them."""
    try:
        exposed = list(iter_exposed(name, service))
    except PortError as error:
        return [], [project.find(error.path, "CMP022", str(error), _PORT_HINT)]
    wishes: list[Requested] = [
        wish
        for port in exposed
        for wish in opening_changes(
            firewall.Opening(port.first, port.last, port.protocol),
            context,
            f"compose.{project.name}: {name} listens on the host's own {port}",
        )
    ]
    if not exposed and not context.overlay.get("firewall", {}).get("open"):
        path = ("services", name, "network_mode")
        message = f"{name} is on the host's network, and nothing says which ports it listens on"
        hint = "list them under firewall.open, or under the service's expose"
        wishes.append(project.find(path, "CMP005", message, hint, Severity.WARNING))
    return exposed, wishes
