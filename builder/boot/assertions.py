"""A spec and its plan as questions to the guest that was made from them.

The plan's steps say what the disk holds, and are asked for one by one; the keys of the overlays
say what the running system should be: its name, its addresses, its units. Nothing is asked that
a guest may rightly answer otherwise: a machine id that it draws, a secret that it keeps.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from builder.boot.checks import FIRST, SECOND, Check, Match, command
from builder.boot.composed import compose_checks
from builder.changes import EnsureLine
from builder.engine.text.unit_names import complete_name
from builder.guest import first_boot
from builder.guest.interfaces import make_links
from builder.guest.mount_types import NETWORK_TYPES
from builder.plan import Plan, Step
from builder.spec import Spec

_PATIENCE = 30.0
_SETTLING = 300.0
"""Seconds for the jobs of a boot to end; a compose project may pull its images."""
_AUTOMOUNT = "x-systemd.automount"


def make_checks(spec: Spec, plan: Plan) -> tuple[Check, ...]:
    """Return what to ask a guest that was made from a spec."""
    found = [_settled()]
    for overlay in spec.overlays:
        for key, value in overlay.values.items():
            found += _BY_KEY.get(key, _nothing)(value)
    found += compose_checks(spec)
    edited = {each.change.path for each in plan.steps if isinstance(each.change, EnsureLine)}
    for step in plan.steps:
        found += _of_step(step, edited)
    found.append(_no_failures())
    return tuple({check.name: check for check in found}.values())


def _settled() -> Check:
    """Ask for the end of the boot; a failed unit is another question's matter."""
    until = "systemctl list-jobs --no-legend | grep -c ."
    return Check("the boot comes to its end", until, "0", patience=_SETTLING)


def _no_failures() -> Check:
    """Ask for units that failed."""
    listed = "systemctl --failed --plain --no-legend | cut -d ' ' -f 1"
    return Check("no unit has failed", listed, patience=0)


def _of_step(step: Step, edited: Container[str]) -> Iterator[Check]:
    """Yield the questions for one step of the plan; defaults are the builder's own matter."""
    if not step.origin.startswith("default:"):
        for asked in step.change.questions(edited):
            match = Match(asked.match)
            yield Check(asked.name, asked.command, asked.wanted, match, asked.patience)


def _nothing(_: object) -> list[Check]:
    """Ask nothing."""
    return []


def _of_hostname(value: str) -> Iterator[Check]:
    """Ask for the name."""
    yield Check("the host has its name", "cat /proc/sys/kernel/hostname", value)


def _of_timezone(value: str) -> Iterator[Check]:
    """Ask for the time zone."""
    asked = "timedatectl show -p Timezone | cut -d = -f 2"
    yield Check("the time zone is set", asked, value)


def _of_network(value: Mapping[str, Any]) -> Iterator[Check]:
    """Ask for addresses, routes and name servers."""
    for key, link in make_links(value).items():
        if not link.name:
            continue
        name = command(link.name)
        if link.addresses:
            shown = f"ip -o addr show dev {name} | tr -s ' ' | cut -d ' ' -f 4"
            wanted = " ".join(link.addresses)
            yield Check(f"{key} has its addresses", shown, wanted, Match.WORDS, _PATIENCE)
        for gateway in link.gateways:
            family = "-6" if ":" in gateway else "-4"
            shown = f"ip {family} route show default dev {name}"
            yield Check(f"{key} has the router {gateway}", shown, f"via {gateway}", Match.WORDS,
                        _PATIENCE)  # fmt: skip
        if link.dns:
            shown = f"resolvectl dns {name}"
            wanted = " ".join(link.dns)
            yield Check(f"{key} has its name servers", shown, wanted, Match.WORDS, _PATIENCE)


def _of_sysctl(value: Mapping[str, object]) -> Iterator[Check]:
    """Ask for settings of the kernel."""
    for key, wanted in value.items():
        text = str(int(wanted)) if isinstance(wanted, bool) else str(wanted)
        yield Check(f"{key} is set", command("sysctl", "-n", key), text)


def _of_services(value: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """Ask for units that must not run."""
    for given in (*value.get("disable", ()), *value.get("mask", ())):
        unit = complete_name(given)
        asked = f"{command('systemctl', 'is-active', unit)} || true"
        yield Check(f"{unit} does not run", asked, "inactive")


def _of_mounts(value: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """Ask for mounts; a share that is mounted when it is used counts as it waits."""
    for entry in value:
        if "path" not in entry:
            continue
        path, kind = entry["path"], entry["type"]
        waits = kind in NETWORK_TYPES and _AUTOMOUNT in entry.get("options", (_AUTOMOUNT,))
        wanted = "autofs" if waits else "" if kind == "bind" else kind
        asked = f"{command('findmnt', '-n', '-o', 'FSTYPE', '-M', path)} | head -n 1"
        match = Match.SAME if wanted else Match.SUCCESS
        yield Check(f"{path} is mounted", asked, wanted, match)


def _of_first_boot(value: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """Ask for scripts that have succeeded, and do not run again."""
    for entry in value:
        name = entry["name"]
        shown = f"systemctl show -p ActiveState,ConditionResult {first_boot.unit_name(name)}"
        ran, again = "ActiveState=active ConditionResult=yes", "ConditionResult=no"
        yield Check(f"the script {name} has run", shown, ran, Match.WORDS, _PATIENCE, FIRST)
        yield Check(f"the script {name} stays quiet", shown, again, Match.WORDS, only=SECOND)


def _of_firewall(_: object) -> Iterator[Check]:
    """Ask for a filter that refuses what is not allowed."""
    yield Check("the firewall is closed", "iptables -S INPUT", "-P INPUT DROP", Match.LINE)


_BY_KEY: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "hostname": _of_hostname,
        "timezone": _of_timezone,
        "network": _of_network,
        "sysctl": _of_sysctl,
        "services": _of_services,
        "mounts": _of_mounts,
        "first_boot": _of_first_boot,
        "firewall": _of_firewall,
    }
)
"""Key of an overlay to the questions about the running system."""
