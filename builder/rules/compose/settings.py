"""Rules of settings of a compose file that exclude each other, or lack each other.

Source: Compose Specification, "services", "configs" and "secrets"; what compose 2.33 refuses.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.guest.compose.layers import setting
from builder.rules.compose.projects import Project, Service, iter_active, projects
from builder.rules.model import Rule, Subject, error

_Said = tuple[KeyPath, str, str]
"""Path, message and hint of a finding."""

_SOURCES = {"configs": ("file", "environment", "content"), "secrets": ("file", "environment")}
_LIMITS = (
    ("cpus", "limits", "cpus"),
    ("mem_limit", "limits", "memory"),
    ("mem_reservation", "reservations", "memory"),
    ("pids_limit", "limits", "pids"),
)
"""Key of a service, and what says the same below ``deploy.resources``."""

_SIZE = re.compile(r"([0-9]*\.?[0-9]+) ?([kmgtp]?)(?:i?b)?")
_TESTS = ("CMD", "CMD-SHELL", "NONE")


def _settings(subject: Subject) -> Iterator[Diagnostic]:
    """Find services and sections whose settings do not go together."""
    for project in projects(subject):
        for path, message, hint in (*_files(project), *_external(project)):
            yield project.find(path, message, hint)
    for service in iter_active(subject):
        for check in _CHECKS:
            for path, message, hint in check(service):
                yield service.project.find(path, message, hint)


def _files(project: Project) -> Iterator[_Said]:
    """Find configs and secrets without content, or with several."""
    for kind, sources in _SOURCES.items():
        for name, entry in _section(project, kind):
            given = [source for source in sources if source in entry]
            wanted = ", ".join(sources[:-1]) + f" or {sources[-1]}"
            if len(given) > 1:
                message = f"{kind}.{name} has {' and '.join(given)}; wanted one of them"
                yield (kind, name, given[1]), message, "drop one of the two"
            elif not given and not entry.get("external"):
                yield (kind, name), f"{kind}.{name} has no content", f"add {wanted}"


def _external(project: Project) -> Iterator[_Said]:
    """Find volumes that exist already and are described again."""
    for name, entry in _section(project, "volumes"):
        if entry.get("external") is True:
            for key in entry:
                if key not in {"external", "name"} and not key.startswith("x-"):
                    message = f"volumes.{name} is external, so it takes no `{key}`"
                    yield ("volumes", name, key), message, f"drop `{key}` or `external`"


def _section(project: Project, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and settings of each entry of a section that is a mapping."""
    section = project.value.get(kind) if isinstance(project.value, dict) else None
    for name, entry in section.items() if isinstance(section, dict) else ():
        if isinstance(entry, dict):
            yield name, entry


def _networks(service: Service) -> Iterator[_Said]:
    """Find services that say twice which network they use."""
    if setting(service.layers, "network_mode") and service.has("networks"):
        path = next(layer.at("network_mode") for layer, _ in service.given("network_mode"))
        yield path, f"{service.name} has both network_mode and networks", "drop one of the two"


def _tests(service: Service) -> Iterator[_Said]:
    """Find healthchecks whose command is written in no known form."""
    for layer, check in service.given("healthcheck"):
        test = check.get("test") if isinstance(check, dict) else None
        if isinstance(test, list) and test and test[0] not in _TESTS:
            message = f"the list of healthcheck.test of {service.name} begins with {test[0]!r}"
            hint = 'begin it with "CMD", "CMD-SHELL" or "NONE", or write the command as one text'
            yield layer.at("healthcheck", "test", 0), message, hint


def _scales(service: Service) -> Iterator[_Said]:
    """Find services that are to run twice under one name, or as often as two numbers say."""
    deploy = setting(service.layers, "deploy")
    scale = setting(service.layers, "scale")
    replicas = deploy.get("replicas") if isinstance(deploy, dict) else None
    path = ("services", service.name)
    if scale is not None and replicas is not None and str(scale) != str(replicas):
        message = f"{service.name} has scale {scale} and deploy.replicas {replicas}"
        yield path, message, "drop one of the two"
    number = str(replicas if scale is None else scale)
    if number.isdecimal() and int(number) > 1 and service.has("container_name"):
        message = f"{service.name} runs {number} times and has a container_name"
        yield path, message, "drop container_name: a name belongs to one container"


def _limits(service: Service) -> Iterator[_Said]:
    """Find limits that are given twice, and differ."""
    deploy = setting(service.layers, "deploy")
    resources = deploy.get("resources") if isinstance(deploy, dict) else None
    for key, part, inner in _LIMITS:
        own = setting(service.layers, key)
        limits = resources.get(part) if isinstance(resources, dict) else None
        if (
            own is None
            or not isinstance(limits, dict)
            or _amount(own) == _amount(limits.get(inner))
        ):
            continue
        named = f"deploy.resources.{part}.{inner}"
        found = limits.get(inner, "nothing")
        message = f"{service.name} has {key} {own} and, under deploy.resources.{part}, {found}"
        path = next(layer.at(key) for layer, _ in service.given(key))
        yield path, message, f"drop `{key}` and write {named}, or drop deploy.resources.{part}"


def _amount(value: object) -> float:
    """Return a number or a size in bytes; nothing counts as 0, as what is no number does."""
    found = _SIZE.fullmatch(str(value).strip().lower())
    return float(found[1]) * 1024 ** (" kmgtp".index(found[2] or " ")) if found else 0.0


def _devices(service: Service) -> Iterator[_Said]:
    """Find requests for devices that say both how many and which."""
    for layer, deploy in service.given("deploy"):
        requests: Any = deploy
        for step in ("resources", "reservations", "devices"):
            requests = requests.get(step) if isinstance(requests, dict) else None
        for request in requests if isinstance(requests, list) else ():
            if isinstance(request, dict) and {"count", "device_ids"} <= set(request):
                message = f"a device request of {service.name} has both count and device_ids"
                yield layer.at("deploy"), message, "drop one of the two"


def _binds(service: Service) -> Iterator[_Said]:
    """Find bind mounts of nothing."""
    for path, volume in service.listed("volumes"):
        if isinstance(volume, dict) and volume.get("type") == "bind" and not volume.get("source"):
            message = f"a bind mount of {service.name} has no source"
            yield path, message, "add `source: ./folder`, or an absolute path of the guest"


def _unsupported(service: Service) -> Iterator[_Said]:
    """Find configs and secrets that only a swarm has."""
    for kind in _SOURCES:
        known = dict(_section(service.project, kind))
        for path, entry in service.listed(kind):
            name = entry.get("source") if isinstance(entry, dict) else entry
            of_swarm = ("external", "driver", "template_driver")
            found = next((key for key in of_swarm if known.get(str(name), {}).get(key)), "")
            if found:
                message = f"{kind}.{name} has `{found}`, which only a swarm knows"
                yield path, message, f"give {kind}.{name} a `file` or `environment`"


def _contents(service: Service) -> Iterator[_Said]:
    """Find variables without a value that configs and secrets are to hold."""
    variables = service.project.variables
    for kind in _SOURCES:
        known = dict(_section(service.project, kind))
        for _, entry in service.listed(kind):
            name = str(entry.get("source") if isinstance(entry, dict) else entry)
            variable = known.get(name, {}).get("environment")
            if isinstance(variable, str) and variable not in variables:
                message = f"{kind}.{name} takes the variable {variable}, which has no value"
                yield (kind, name, "environment"), message, f"add env: {{{variable}: …}}"


_CHECKS: tuple[Callable[[Service], Iterator[_Said]], ...] = (
    _networks,
    _tests,
    _scales,
    _binds,
    _devices,
    _limits,
    _unsupported,
    _contents,
)
RULES: tuple[Rule, ...] = (
    error(
        "CMP034",
        "settings that do not go together",
        "Compose refuses the file, or the container: network_mode beside networks, a config or "
        "secret with two contents or with none, one that only a swarm knows or whose variable has "
        "no value, an external volume with settings, a healthcheck whose list does not begin with "
        "CMD, CMD-SHELL or NONE, several containers of one name, a bind mount without a source.",
        _settings,
    ),
)
