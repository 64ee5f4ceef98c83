"""The checks of a running guest that follow from its spec and its plan.

The plan's steps say what the disk holds; the keys of the overlays say what the running system
should be: its name, addresses, units and containers. Nothing is checked that may legitimately
differ, such as a generated machine id.

Containers are found by the labels of Compose, ``com.docker.compose.project`` and
``com.docker.compose.service``. Of ports over UDP only DNS can be tested.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from builder.boot.access import free_port
from builder.boot.checks import FIRST, SECOND, Check, Match, command
from builder.boot.machine import PortForward
from builder.changes import EnsureLine
from builder.documents import load_document
from builder.engine.text.unit_names import complete_name
from builder.features import Context
from builder.features.projects import make_project
from builder.features.sources import local_path
from builder.guest import first_boot
from builder.guest.compose import iter_published, iter_services
from builder.guest.interfaces import make_links
from builder.guest.mount_types import NETWORK_TYPES
from builder.plan import Plan, Step
from builder.spec import Spec

_RETRY_SECONDS = 30.0
_BOOT_JOBS_SECONDS = 300.0
"""Seconds for the jobs of a boot to end; a compose project may pull its images."""
_AUTOMOUNT = "x-systemd.automount"
_DNS = 53
_LABEL = "label=com.docker.compose."


def make_checks(spec: Spec, plan: Plan) -> tuple[Check, ...]:
    """Return the checks of a guest that was built from a spec."""
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


def compose_checks(spec: Spec) -> Iterator[Check]:
    """Yield a check for each service of each compose project."""
    for name, project in _projects(spec):
        for service, settings in iter_services(project):
            if not settings.get("profiles"):
                labels = (f"project={name}", f"service={service}")
                words = [word for each in labels for word in ("--filter", f"{_LABEL}{each}")]
                asked = command("docker", "ps", "--quiet", "--filter", "status=running", *words)
                yield Check(f"{service} of {name} runs", f"{asked} | grep -q .", "", Match.SUCCESS,
                            _RETRY_SECONDS)  # fmt: skip


def published_ports(spec: Spec) -> tuple[PortForward, ...]:
    """Return port forwards to the published ports, from free ports of the loopback."""
    found = dict.fromkeys(
        (number, port.protocol)
        for _, project in _projects(spec)
        for port in iter_published(project)
        if port.is_everywhere and (port.protocol == "tcp" or port.first == _DNS)
        for number in range(port.first, port.last + 1)
    )
    return tuple(
        PortForward(free_port(), number, "udp" if protocol == "udp" else "tcp")
        for number, protocol in found
    )


def _settled() -> Check:
    until = "systemctl list-jobs --no-legend | grep -c ."
    return Check("the boot comes to its end", until, "0", retry_seconds=_BOOT_JOBS_SECONDS)


def _no_failures() -> Check:
    listed = "systemctl --failed --plain --no-legend | cut -d ' ' -f 1"
    return Check("no unit has failed", listed, retry_seconds=0)


def _of_step(step: Step, edited: Container[str]) -> Iterator[Check]:
    """Yield the checks of one step of the plan; built-in defaults have none."""
    if not step.origin.startswith("default:"):
        for asked in step.change.questions(edited):
            match = Match(asked.match)
            yield Check(asked.name, asked.command, asked.wanted, match, asked.patience)


def _nothing(_: object) -> list[Check]:
    return []


def _of_hostname(value: str) -> Iterator[Check]:
    yield Check("the host has its name", "cat /proc/sys/kernel/hostname", value)


def _of_timezone(value: str) -> Iterator[Check]:
    asked = "timedatectl show -p Timezone | cut -d = -f 2"
    yield Check("the time zone is set", asked, value)


def _of_network(value: Mapping[str, Any]) -> Iterator[Check]:
    for key, link in make_links(value).items():
        if not link.name:
            continue
        name = command(link.name)
        if link.addresses:
            shown = f"ip -o addr show dev {name} | tr -s ' ' | cut -d ' ' -f 4"
            wanted = " ".join(link.addresses)
            yield Check(f"{key} has its addresses", shown, wanted, Match.WORDS, _RETRY_SECONDS)
        for gateway in link.gateways:
            family = "-6" if ":" in gateway else "-4"
            shown = f"ip {family} route show default dev {name}"
            yield Check(f"{key} has the router {gateway}", shown, f"via {gateway}", Match.WORDS,
                        _RETRY_SECONDS)  # fmt: skip
        if link.dns:
            shown = f"resolvectl dns {name}"
            wanted = " ".join(link.dns)
            yield Check(f"{key} has its name servers", shown, wanted, Match.WORDS, _RETRY_SECONDS)


def _of_sysctl(value: Mapping[str, object]) -> Iterator[Check]:
    for key, wanted in value.items():
        text = str(int(wanted)) if isinstance(wanted, bool) else str(wanted)
        yield Check(f"{key} is set", command("sysctl", "-n", key), text)


def _of_services(value: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    for given in (*value.get("disable", ()), *value.get("mask", ())):
        unit = complete_name(given)
        asked = f"{command('systemctl', 'is-active', unit)} || true"
        yield Check(f"{unit} does not run", asked, "inactive")


def _of_mounts(value: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """Yield the checks of mounts; an automounted share counts while it waits."""
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
    """Yield the checks of scripts: succeeded on the first boot, skipped on the second."""
    for entry in value:
        name = entry["name"]
        shown = f"systemctl show -p ActiveState,ConditionResult {first_boot.unit_name(name)}"
        ran, again = "ActiveState=active ConditionResult=yes", "ConditionResult=no"
        yield Check(f"the script {name} has run", shown, ran, Match.WORDS, _RETRY_SECONDS, FIRST)
        yield Check(f"the script {name} stays quiet", shown, again, Match.WORDS, only=SECOND)


def _of_firewall(_: object) -> Iterator[Check]:
    """Yield the check that the packet filter drops by default."""
    yield Check("the firewall is closed", "iptables -S INPUT", "-P INPUT DROP", Match.LINE)


def _projects(spec: Spec) -> Iterator[tuple[str, object]]:
    """Yield name and expanded file of each project of a valid spec."""
    for overlay in spec.overlays:
        context = Context(spec.name, overlay.directory)
        for name, settings in overlay.values.get("compose", {}).items():
            file = local_path(settings["file"], context)
            document = load_document(file)
            env = settings.get("env", {})
            yield name, make_project(name, document, file, env, context).expanded


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
"""Key of an overlay to the checks of the running system."""
