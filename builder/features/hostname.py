"""The machine's static host name, hostname(5)."""

from collections.abc import Iterator

from builder.blob import Blob
from builder.changes import EnsureLine, WriteFile
from builder.errors import Diagnostic, Severity
from builder.features import Context, Feature, Reasoned, Requested
from builder.guest import hosts
from builder.guestpath import guest

SCHEMA = {
    "type": "string",
    "description": "Static host name: RFC 1123 labels, 64 bytes at most (hostname(5)).",
    "pattern": r"^(?=.{1,64}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    r"(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
}
CLOUD = guest("/etc/cloud/cloud.cfg.d/99-photon-builder-hostname.cfg")


def changes(hostname: str, _: Context) -> Iterator[Requested]:
    """Yield the name, the line by which it resolves, and cloud-init's leave to keep it."""
    if hostname.partition(".")[0] == "localhost":
        yield Diagnostic("localhost is every machine's name", "NAME001", "give the machine its own")
    if hostname.endswith(".local"):
        message = f"{hostname}: names under .local belong to multicast DNS (RFC 6762)"
        yield Diagnostic(message, "NAME002", "try home.arpa", severity=Severity.WARNING)
    yield WriteFile(guest("/etc/hostname"), Blob.text(f"{hostname}\n"))
    yield Reasoned(
        EnsureLine(hosts.HOSTS, hosts.format_own_line(hostname), replaces=hosts.OWN_LINE),
        "the machine resolves its own name without a network",
    )
    yield Reasoned(
        WriteFile(CLOUD, Blob.text("preserve_hostname: true\n")),
        "cloud-init would set another name on the first boot",
    )


FEATURE = Feature("hostname", "Static host name", SCHEMA, changes, "pihole")
