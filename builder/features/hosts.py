"""Names of other machines that need no name server, hosts(5)."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from builder.changes import EnsureLine
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested
from builder.guest import hosts

SCHEMA = {
    "type": "object",
    "description": "Names by address, as lines of /etc/hosts; the lines of the base stay.",
    "additionalProperties": {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        ],
        "description": "One name, or several: the first is the canonical one.",
    },
}
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


def changes(value: Mapping[str, str | Sequence[str]], _: Context) -> Iterator[Requested]:
    """Yield a line an address, or what is wrong with it."""
    for address, given in value.items():
        names = [given] if isinstance(given, str) else list(given)
        if not _is_address(address):
            message = f"{address!r} is not a valid IP address"
            is_swapped = bool(names) and _is_address(names[0])
            hint = f"write {names[0]}: {address}" if is_swapped else "write ADDRESS: [NAME]"
            yield Diagnostic(message, "HST001", hint, (address,), at_key=True)
            continue
        if address == hosts.OWN_ADDRESS:
            message = f"{address} is the address of the machine's own name"
            yield Diagnostic(message, "HST001", "use `hostname`", (address,))
        for index, name in enumerate(names):
            if not _NAME.fullmatch(name):
                message = f"{name!r} is not a valid host name"
                path = (address,) if isinstance(given, str) else (address, index)
                yield Diagnostic(message, "HST002", "write one such as nas.home.arpa", path)
        yield EnsureLine(hosts.HOSTS, hosts.format_line(address, names))


def _is_address(text: str) -> bool:
    """Return whether text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


FEATURE = Feature(
    "hosts",
    "Names of other machines",
    SCHEMA,
    changes,
    "{192.168.1.10: [nas.home.arpa, nas], 192.168.1.11: printer}",
)
