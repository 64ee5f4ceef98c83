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
from builder.changes import (
    AddGroup,
    AddUser,
    Change,
    EnsureLine,
    MakeDirectory,
    MakeSymlink,
    Owner,
    Remove,
    SetKernelArguments,
    SetUnitState,
    UnitState,
    WriteFile,
)
from builder.engine.text.unit_names import complete_name
from builder.guest import firewall, first_boot
from builder.guest.interfaces import make_links
from builder.guest.mount_types import NETWORK_TYPES
from builder.plan import Plan, Step
from builder.spec import Spec

_PATIENCE = 30.0
_SETTLING = 300.0
"""Seconds for the jobs of a boot to end; a compose project may pull its images."""
_CHANGING = frozenset({"/etc/machine-id", "/etc/hostname", "/usr/lib/clock-epoch"})
"""Files that a running system changes, or whose effect is asked for instead."""
_FILTERS = {firewall.IP4SAVE: "iptables", firewall.IP6SAVE: "ip6tables"}
"""Files of the packet filter to the program that knows which rules are in force."""
_APPEND = "-A "
_AUTOMOUNT = "x-systemd.automount"
_MISSES_A_DEVICE = (
    r"""printf '%s\n' "$said" | sed -En 's/^(BindsTo|Requires)=//p' | tr ' ' '\n' | """
    r"""grep '\.device$' | while read -r each; do systemctl -q is-active "$each" || """
    """echo "there is no $each"; done | grep ."""
)
"""Names the hardware, such as a radio, that a unit is bound to and that this machine lacks."""


def make_checks(spec: Spec, plan: Plan) -> tuple[Check, ...]:
    """Return what to ask a guest that was made from a spec."""
    found = [_settled()]
    for overlay in spec.overlays:
        for key, value in overlay.values.items():
            found += _BY_KEY.get(key, _nothing)(value)
    found += compose_checks(spec)
    added_to = {each.change.path for each in plan.steps if isinstance(each.change, EnsureLine)}
    for step in plan.steps:
        found += _of_step(step, added_to)
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


def _of_step(step: Step, added_to: Container[str]) -> Iterator[Check]:
    """Yield the questions for one step of the plan; defaults are the builder's own matter."""
    change = step.change
    if not step.origin.startswith("default:"):
        yield from _of_file(change, added_to)
        yield from _of_change(change)


def _of_file(change: Change, added_to: Container[str]) -> Iterator[Check]:
    """Yield the questions for a file operation; a file with lines added is not just its content."""
    match change:
        case WriteFile(path=path, unless=unless) if path in _CHANGING or unless is not None:
            pass
        case WriteFile(path=path, content=content, mode=mode, owner=owner, secret=secret):
            if not secret and path not in added_to:
                hashed = f"sha256sum < {command(path)} | cut -d ' ' -f 1"
                yield Check(f"{path} has the planned content", hashed, content.sha256)
            yield _attributes(path, "regular file", mode, owner)
        case MakeDirectory(path=path, mode=mode, owner=owner):
            # A mount point is asked for as what is mounted on it.
            yield Check(f"{path} is a directory", command("test", "-d", path), "", Match.SUCCESS)
        case MakeSymlink(path=path, target=target, unless=None):
            yield Check(f"{path} is a link", command("readlink", path), target)
        case Remove(path=path):
            asked = command("test", "!", "-e", path, "-a", "!", "-L", path)
            yield Check(f"{path} is not there", asked, "", Match.SUCCESS)
        case _:
            pass


def _attributes(path: str, kind: str, mode: int, owner: Owner) -> Check:
    """Ask for the kind, mode and owner of a node."""
    letters = ("%u" if isinstance(owner.uid, int) else "%U") + (
        ":%g" if isinstance(owner.gid, int) else ":%G"
    )
    asked = command("stat", "-c", f"%a {letters} %F", path)
    # stat(1) calls a file without content an empty one.
    return Check(
        f"{path} has mode {mode:04o} and its owner",
        f"{asked} | sed 's/regular empty file/regular file/'",
        f"{mode:o} {owner.uid}:{owner.gid} {kind}",
    )


def _of_change(change: Change) -> Iterator[Check]:
    """Yield the questions for a change of the guest."""
    match change:
        case EnsureLine(path=path, line=line):
            asked = command("grep", "-Fxq", "--", line, path)
            yield Check(f"{path} has the line {line!r}", asked, "", Match.SUCCESS)
            if path in _FILTERS and line.startswith(_APPEND):
                rule = f"{_FILTERS[path]} -C {line.removeprefix(_APPEND)}"
                yield Check(f"the packet filter has {line!r}", rule, "", Match.SUCCESS, _PATIENCE)
        case AddGroup(name=name, gid=gid):
            asked = f"getent group {command(name)} | cut -d : -f 3"
            yield Check(f"{name} is a group", asked, str(gid))
        case AddUser(name=name, uid=uid, home=home, shell=shell, groups=groups):
            fields = f"getent passwd {command(name)} | cut -d : -f 3,6,7"
            yield Check(f"{name} is a user", fields, f"{uid}:{home}:{shell}")
            if groups:
                asked = command("id", "-nG", name)
                yield Check(f"{name} is in its groups", asked, " ".join(groups), Match.WORDS)
        case SetKernelArguments(add=add) if add:
            yield Check("the kernel has its arguments", "cat /proc/cmdline", " ".join(add),
                        Match.WORDS)  # fmt: skip
        case SetUnitState(unit=unit, state=state, if_present=False):
            yield from _of_unit(unit, state)
        case _:
            pass


def _of_unit(unit: str, state: UnitState) -> Iterator[Check]:
    """Yield the questions for a unit; a template is asked for by its instances only."""
    asked = command("systemctl", "is-enabled", unit)
    yield Check(f"{unit} is {state}", f"{asked} 2>/dev/null", state)
    if state is UnitState.ENABLED and unit.endswith(".service") and "@." not in unit:
        # A unit whose condition is not met stays inactive without having failed; one that was
        # never started has no met condition either, but no time at which it was looked at.
        names = "ActiveState,ConditionResult,ConditionTimestampMonotonic,BindsTo,Requires"
        # The order in which units are required is another on each boot.
        shown = """echo "$said" | grep -vE '^(BindsTo|Requires)='"""
        said = f"said=$(systemctl show -p {names} {command(unit)}); {shown}"
        quiet = "^ConditionResult=no$", "^ConditionTimestampMonotonic=[1-9]"
        passed_over = " && ".join(f'echo "$said" | grep -q "{each}"' for each in quiet)
        active = 'echo "$said" | grep -q "^ActiveState=active$"'
        met = f"{said}; {active} || {{ {passed_over}; }} || {{ {_MISSES_A_DEVICE}; }}"
        yield Check(f"{unit} runs", met, "", Match.SUCCESS, _PATIENCE)


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
