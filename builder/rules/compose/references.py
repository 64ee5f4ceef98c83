"""Rules of what the services of a compose file refer to: each other, and what stands at its top.

Source: Compose Specification, "services" (depends_on, extends, networks, volumes, profiles …).
"""

from collections.abc import Iterator
from typing import Any

from builder.errors import Diagnostic, KeyPath
from builder.guest.compose import named_volume
from builder.guest.compose.layers import active_services, missing_bases
from builder.rules.compose.projects import Project, Service, active, iter_active, projects
from builder.rules.model import Rule, Subject, error, finding, warning
from builder.structs import replace
from builder.suggest import nearest

_SERVICE = "service:"
_CONTAINER = "container:"
_IMPLICIT = frozenset({"default"})
_HEALTHY = "service_healthy"


def _undefined(subject: Subject) -> Iterator[Diagnostic]:
    """Find names that the file does not have: of services, and of what stands at its top."""
    for service in iter_active(subject):
        for path, kind, name in _named(service):
            known = _top(service.project, kind)
            if name not in known | (_IMPLICIT if kind == "networks" else frozenset()):
                message = f"{service.name} refers to the undefined {kind[:-1]} {name!r}"
                meant = nearest(name, known)
                add = f"add `{name}:` under `{kind}` at the top level of the file"
                hint = f"did you mean {meant!r}? else {add}" if meant else add
                yield _at_name(service.project, path, message, hint)
        yield from _undefined_services(service)


def _at_name(project: Project, path: KeyPath, message: str, hint: str) -> Diagnostic:
    """Return a finding at a name, which is an entry of a list or a key of a mapping."""
    is_key = path[-2] in {"depends_on", "networks"}
    return finding(message, project.document, path, hint, at_key=is_key)


def _undefined_services(service: Service) -> Iterator[Diagnostic]:
    """Find services that are needed or extended and do not start, or do not exist."""
    project = service.project
    started = active_services(project.value, project.variables)
    known = dict(project.services())
    for path, name, need in dependencies(service):
        if name in started or (name in known and need.get("required") is False):
            continue
        if name in known:
            message = f"{service.name} needs {name}, whose profile is not switched on"
            hint = "drop `profiles` there, or set COMPOSE_PROFILES under env of the project"
        else:
            message = f"{service.name} needs the undefined service {name!r}"
            meant = nearest(name, known)
            hint = f"did you mean {meant!r}?" if meant else f"known: {', '.join(known)}"
        yield _at_name(project, path, message, hint)
    for missing in missing_bases(project.value, service.name, project.read):
        if not missing.is_file_missing:
            where = f" of {missing.file}" if missing.file else ""
            message = f"{service.name} extends the undefined service {missing.service!r}{where}"
            yield project.find(missing.path, message, "name a service that the file has")


def dependencies(service: Service) -> Iterator[tuple[KeyPath, str, dict[str, Any]]]:
    """Yield path, name and settings of each service that must start before another."""
    for path, name, settings in service.names("depends_on"):
        yield path, name, settings if isinstance(settings, dict) else {}
    for key in ("links", "volumes_from"):
        for path, entry in service.listed(key):
            if isinstance(entry, str) and not entry.startswith(_CONTAINER):
                yield path, entry.partition(":")[0], {}
    for key in ("network_mode", "ipc", "pid", "uts", "cgroup"):
        for layer, value in service.given(key):
            if isinstance(value, str) and value.startswith(_SERVICE):
                yield layer.at(key), value.removeprefix(_SERVICE), {}


def _named(service: Service) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield path, section and name of what a service takes from the top of the file."""
    for path, name, _ in service.names("networks"):
        yield path, "networks", name
    for path, entry in service.listed("volumes"):
        if name := named_volume(entry):
            yield path, "volumes", name
    for kind in ("configs", "secrets"):
        for path, entry in service.listed(kind):
            source = entry.get("source") if isinstance(entry, dict) else entry
            if isinstance(source, str):
                yield path, kind, source


def _top(project: Project, kind: str) -> set[str]:
    """Return the names in a section at the top of a compose file."""
    section = project.value.get(kind) if isinstance(project.value, dict) else None
    return set(section) if isinstance(section, dict) else set()


def _is_misspelt(service: Service) -> bool:
    """Return whether a key was probably meant for the image: it is an error of its own."""
    return bool(nearest("image", (key for layer in service.layers for key in layer.settings)))


def _imageless(subject: Subject) -> Iterator[Diagnostic]:
    """Find services that have nothing to run."""
    for service in iter_active(subject):
        project = service.project
        is_open = missing_bases(project.value, service.name, project.read)
        if not (service.has("image") or service.has("build") or is_open or _is_misspelt(service)):
            message = f"{service.name} has no image"
            yield project.find(("services", service.name), message, "add `image: name:tag`")


def _cycles(subject: Subject) -> Iterator[Diagnostic]:
    """Find services that wait for each other."""
    for project in projects(subject):
        services = {service.name: service for service in active(project)}
        needs = {name: [n for _, n, _ in dependencies(s)] for name, s in services.items()}
        for name, service in services.items():
            cycle = _cycle(name, needs)
            if cycle and name == min(cycle):
                message = f"services wait for each other: {' -> '.join((*cycle, name))}"
                path = next(path for path, need, _ in dependencies(service) if need in cycle)
                yield project.find(path, message, "drop one of the dependencies")


def _cycle(start: str, needs: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the services from one back to itself, each needing the next; empty for none."""
    trails: list[tuple[str, ...]] = [(start,)]
    seen = set()
    while trails:
        trail = trails.pop()
        for name in needs.get(trail[-1], ()):
            if name == start:
                return trail
            if name not in seen:
                seen.add(name)
                trails.append((*trail, name))
    return ()


def _asleep(subject: Subject) -> Iterator[Diagnostic]:
    """Find projects of which nothing starts."""
    for project in projects(subject):
        if list(project.services()) and not list(active(project)):
            message = "every service has a profile, and none of the profiles is switched on"
            hint = "drop `profiles` of a service, or set COMPOSE_PROFILES under env of the project"
            yield project.find(("services",), message, hint)


def _unhealthy(subject: Subject) -> Iterator[Diagnostic]:
    """Find services that wait for the health of one that has no check of it."""
    for project in projects(subject):
        services = {service.name: service for service in active(project)}
        for service in services.values():
            for path, name, need in dependencies(service):
                if need.get("condition") != _HEALTHY or name not in services:
                    continue
                checks = [check for _, check in services[name].given("healthcheck")]
                message = f"{service.name} waits for {name} to be healthy, and "
                if any(_is_off(check) for check in checks):
                    message += f"the healthcheck of {name} is switched off"
                    hint = f"give {name} a healthcheck, or write `condition: service_started`"
                    yield replace(project.find(path, message, hint), code="CMP037")
                elif not checks:
                    message += f"{name} has no `healthcheck`: only an image with its own will do"
                    hint = f"add a `healthcheck` to {name}, or be sure that its image has one"
                    yield project.find(path, message, hint)


def _is_off(check: object) -> bool:
    """Return whether a healthcheck is switched off."""
    if not isinstance(check, dict):
        return False
    test = check.get("test")
    off = str(check.get("disable", "")).lower() in {"true", "y", "yes", "on"}
    return off or test == "NONE" or (isinstance(test, list) and test[:1] == ["NONE"])


RULES: tuple[Rule, ...] = (
    error(
        "CMP048",
        "a secret that the compose file reads from no file of its own",
        "`secrets` of a project fills the files that the compose file names under `secrets`, such "
        "as `db: {file: ./secrets/db}`; they are not there when the build begins, and lie in the "
        "project's folder on the guest. One that lies there already is taken along as it is.",
    ),
    error(
        "CMP032",
        "a reference to what the compose file does not have",
        "A service names a network, volume, config or secret that is not at the top level of the "
        "file, or another service that does not exist or whose profile is not switched on. Compose "
        "refuses the whole file. Only the network `default` need not be defined.",
        _undefined,
    ),
    error(
        "CMP033",
        "a service without an image",
        "Compose refuses a file with a service that has neither `image` nor `build`, of its own or "
        "from what it extends.",
        _imageless,
    ),
    error(
        "CMP035",
        "services that wait for each other",
        "depends_on, links, volumes_from and `service:` in network_mode, ipc, pid, uts and cgroup "
        "all make a service wait for another. Compose refuses a circle.",
        _cycles,
    ),
    error(
        "CMP036",
        "a project of which nothing starts",
        "A service with `profiles` starts only when COMPOSE_PROFILES names one of them; on the "
        "guest the .env of the project can say that. `docker compose up` fails when no service is "
        "left.",
        _asleep,
    ),
    warning(
        "CMP037",
        "a wait for the health of a service without a healthcheck",
        "`condition: service_healthy` waits until docker finds the container healthy. Without a "
        "healthcheck, in the compose file or in the image, `docker compose up` fails. Whether the "
        "image has one is not known here; one that the file switches off is an error.",
        _unhealthy,
    ),
)
