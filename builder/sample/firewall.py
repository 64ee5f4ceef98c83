"""The packet filter of a sample: what is saved, and the scripts that load and stop it.

Source: ``SPECS/iptables`` at each revision.
"""

from builder.facts import Facts
from builder.facts.data import covers, table

_SCRIPTS = "/etc/systemd/scripts"
_FILTER = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
# What is local passes.
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A OUTPUT -j ACCEPT
"""
_ICMPV6 = "-A INPUT -p ipv6-icmp -j ACCEPT\n"
_DHCPV6 = "-A INPUT -p udp --sport 547 --dport 546 -j ACCEPT\n"
_MODULES = ("nf_conntrack", "xt_LOG")
_CHAINS = ("INPUT", "FORWARD", "OUTPUT")
_FLUSHES = ("-F", "-X", "-Z", "-t nat -F", "-t nat -X", "-t mangle -F", "-t mangle -X")
_STOPS = ("-Z", "-F", "-t nat -F", "-t nat -X", "-t mangle -F", "-t mangle -X", "-X")
_WAITING = "3.0-Rev3-U1 4.0-Rev1 4.0-Rev2 5.0"
_WAIT = " --wait 1 --wait-interval 20000"


def firewall_files(facts: Facts) -> dict[str, str]:
    """Return the files of the packet filter by path."""
    known = facts.firewall
    more = (_ICMPV6 if known.has_icmpv6 else "") + (_DHCPV6 if known.has_dhcpv6 else "")
    return {
        f"{_SCRIPTS}/ip4save": f"{_FILTER}COMMIT\n",
        f"{_SCRIPTS}/ip6save": f"{_FILTER}{more}COMMIT\n",
        f"{_SCRIPTS}/iptables": _start(facts),
        f"{_SCRIPTS}/iptables.stop": _stop(facts),
    }


def _start(facts: Facts) -> str:
    """Return the script that closes everything, then loads what is saved."""
    wait = _WAIT if covers(_WAITING, facts.revision) else ""
    lines = [
        "#!/bin/sh",
        "# Nothing passes until the saved rules are in.",
        *(f"modprobe {module}" for module in _MODULES),
        *(
            f"echo {value} > /proc/sys/{key.replace('.', '/')}"
            for key, value in facts.firewall.sysctls.items()
        ),
        *(f"{tool}{wait} -P {chain} DROP" for tool in _tools(facts) for chain in _CHAINS),
        *(f"{tool}{wait} {flush}" for tool in _tools(facts) for flush in _FLUSHES),
        f"iptables-restore{wait} < {_SCRIPTS}/ip4save",
        f"ip6tables-restore{wait} < {_SCRIPTS}/ip6save",
    ]
    return "".join(f"{line}\n" for line in lines)


def _stop(facts: Facts) -> str:
    """Return the script that lets everything pass."""
    lines = ["#!/bin/sh", "# Everything passes."]
    for tool in _tools(facts):
        lines += [f"{tool} {flush}" for flush in _STOPS]
        lines += [f"{tool} -P {chain} ACCEPT" for chain in _CHAINS]
    return "".join(f"{line}\n" for line in lines)


def _tools(facts: Facts) -> list[str]:
    """Return the programs that the scripts run: the first ones left IPv6 as it was."""
    both = covers(table("system")["firewall"]["flushes_ipv6"], facts.revision)
    return ["iptables", "ip6tables"] if both else ["iptables"]
