"""What may come in through Photon's packet filter; no feature of its own."""

from collections.abc import Iterator

from builder.changes import EnsureLine
from builder.errors import KeyPath
from builder.features import Context, Reasoned
from builder.guest import firewall
from builder.guestpath import GuestPath

_ICMPV6 = "neighbour discovery: nothing would arrive over IPv6"
_DHCPV6 = "the answers of DHCPv6"


def opening_changes(
    opening: firewall.Opening, context: Context, reason: str = "", path: KeyPath = ()
) -> Iterator[Reasoned]:
    """Yield the rules of an opening, and what IPv6 needs to have any."""
    for file, line in firewall.format_rules(opening):
        yield Reasoned(rule(file, line), reason, path)
        if file == firewall.IP6SAVE:
            yield from wish_ipv6(context, path)


def wish_ipv6(context: Context, path: KeyPath = ()) -> Iterator[Reasoned]:
    """Yield the rules that IPv6 does not work without, where the base may lack them."""
    if context.facts.has_unit(firewall.UNIT) is False:
        return
    known = context.facts.firewall
    drops = "drops" if context.facts.is_known else "may drop"
    for line, what, is_there in (
        (firewall.ICMPV6, _ICMPV6, known.has_icmpv6),
        (firewall.DHCPV6, _DHCPV6, known.has_dhcpv6),
    ):
        if not (is_there and context.facts.is_known):
            reason = f"the base's ip6save {drops} {what}"
            yield Reasoned(rule(firewall.IP6SAVE, line), reason, path)


def rule(file: GuestPath, line: str) -> EnsureLine:
    """Return the change that adds a rule."""
    return EnsureLine(file, line, before=firewall.BEFORE)
