"""Port 53 of the host, which systemd-resolved has until a project wants it; no feature itself."""

from collections.abc import Iterable, Iterator

from builder.blob import Blob
from builder.changes import MakeSymlink, WriteFile
from builder.features import Context, Reasoned, Requested
from builder.features.projects import Project
from builder.guest import firewall
from builder.guest.compose import Published, is_on_host_network, iter_services
from builder.guestpath import guest

RESOLVED = guest("/etc/systemd/resolved.conf.d/10-photon-builder.conf")
_RESOLVED_TEXT = "[Resolve]\nDNSStubListener=no\nLLMNR=no\nMulticastDNS=no\n"
RESOLV_CONF = guest("/etc/resolv.conf")
_UPSTREAMS = "../run/systemd/resolve/resolv.conf"
_DNS = 53
_STUB = "127.0.0.53"


def dns_changes(
    project: Project, published: Iterable[Published], context: Context
) -> Iterator[Requested]:
    """Yield what frees port 53 of systemd-resolved, and keeps the host's own names."""
    reason = _published(project, published) or _opened(project, context)
    if reason:
        yield Reasoned(WriteFile(RESOLVED, Blob.text(_RESOLVED_TEXT)), reason)
        why = f"{reason}, so resolved's stub is off and the host asks its upstreams"
        yield Reasoned(MakeSymlink(RESOLV_CONF, _UPSTREAMS), why)


def _published(project: Project, published: Iterable[Published]) -> str:
    """Return which port of a project is bound where systemd-resolved's stub listens."""
    for port in published:
        if port.covers(_DNS) and (port.is_everywhere or port.address == _STUB):
            return f"compose.{project.name} publishes {_DNS}/{port.protocol}"
    return ""


def _opened(project: Project, context: Context) -> str:
    """Return why a service on the host's network must want the port: the packet filter lets it."""
    on_host = [name for name, each in iter_services(project.expanded) if is_on_host_network(each)]
    entries = context.overlay.get("firewall", {}).get("open", ()) if on_host else ()
    for entry in entries:
        text = str(entry["port"] if isinstance(entry, dict) else entry)
        try:
            opening = firewall.parse_opening(text)
        except ValueError:
            continue
        if opening.first <= _DNS <= opening.last:
            named = f"{on_host[0]} of compose.{project.name}"
            return f"firewall.open has {text}, and {named} is on the host's network"
    return ""
