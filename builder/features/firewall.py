"""What may reach the machine from outside, as rules of Photon's packet filter."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.changes import Require
from builder.errors import Diagnostic
from builder.features import Context, Feature, Requested
from builder.features.openings import opening_changes, rule
from builder.guest import firewall

_PORT = {
    "type": ["string", "integer"],
    "description": "`80/tcp`, `53/udp`, `8000-8010/tcp`; without a protocol, tcp.",
}
SCHEMA = {
    "type": "object",
    "description": "Photon lets in ssh and nothing else, not even ping.",
    "additionalProperties": False,
    "properties": {
        "open": {
            "type": "array",
            "description": "Ports that may be reached, over IPv4 and IPv6.",
            "items": {
                "anyOf": [
                    _PORT,
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["port"],
                        "properties": {
                            "port": _PORT,
                            "from": {"type": "string", "description": "Network that may."},
                        },
                    },
                ]
            },
        },
        "ping": {"type": "boolean", "description": "Answer IPv4 echo requests."},
    },
}


def changes(value: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield a rule an opening and protocol version."""
    if value.get("ping"):
        yield rule(firewall.IP4SAVE, firewall.PING)
    for index, entry in enumerate(value.get("open", ())):
        port, source = (
            (entry["port"], entry.get("from", "")) if isinstance(entry, dict) else (entry, "")
        )
        try:
            opening = firewall.parse_opening(str(port), source)
        except ValueError as error:
            yield Diagnostic(
                str(error), "FWL002", "try 80/tcp, from: 192.168.1.0/24", ("open", index)
            )
            continue
        yield from opening_changes(opening, context, path=("open", index))
    yield has_firewall()


def has_firewall() -> Require:
    """Return the demand for the script that loads the rules."""
    return Require(
        firewall.SCRIPT,
        "the base has no packet filter of Photon's kind, so rules would have no effect",
        "FWL001",
        "drop `firewall`, or add `packages: [iptables]` on a base that can install it",
    )


FEATURE = Feature(
    "firewall",
    "What may come in",
    SCHEMA,
    changes,
    "{open: [80/tcp, 443, {port: 9100, from: 192.168.1.0/24}], ping: true}",
)
