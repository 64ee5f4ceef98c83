"""The compose projects of a spec: their services as questions, their ports as doors to knock at.

Containers are told by the labels that Compose gives them, ``com.docker.compose.project`` and
``com.docker.compose.service``. Ports over UDP are left out, but for DNS: nobody could be asked.
"""

from collections.abc import Iterator

from builder.boot.access import free_port
from builder.boot.checks import Check, Match, command
from builder.boot.machine import Forward
from builder.documents import load_document
from builder.features import Context
from builder.features.projects import make_project
from builder.features.sources import local_path
from builder.guest.compose import iter_published, iter_services
from builder.spec import Spec

_PATIENCE = 30.0
_DNS = 53
_LABEL = "label=com.docker.compose."


def compose_checks(spec: Spec) -> Iterator[Check]:
    """Yield a question for each service of each project."""
    for name, project in _projects(spec):
        for service, settings in iter_services(project):
            if not settings.get("profiles"):
                labels = (f"project={name}", f"service={service}")
                words = [word for each in labels for word in ("--filter", f"{_LABEL}{each}")]
                asked = command("docker", "ps", "--quiet", "--filter", "status=running", *words)
                yield Check(f"{service} of {name} runs", f"{asked} | grep -q .", "", Match.SUCCESS,
                            _PATIENCE)  # fmt: skip


def published_ports(spec: Spec) -> tuple[Forward, ...]:
    """Return forwards to the ports at which somebody must answer, from free ports of loopback."""
    found = dict.fromkeys(
        (number, port.protocol)
        for _, project in _projects(spec)
        for port in iter_published(project)
        if port.is_everywhere and (port.protocol == "tcp" or port.first == _DNS)
        for number in range(port.first, port.last + 1)
    )
    return tuple(
        Forward(free_port(), number, "udp" if protocol == "udp" else "tcp")
        for number, protocol in found
    )


def _projects(spec: Spec) -> Iterator[tuple[str, object]]:
    """Yield name and expanded file of each project; the spec has been found valid before."""
    for overlay in spec.overlays:
        context = Context(spec.name, overlay.directory)
        for name, settings in overlay.values.get("compose", {}).items():
            file = local_path(settings["file"], context)
            document = load_document(file)
            env = settings.get("env", {})
            yield name, make_project(name, document, file, env, context).expanded
