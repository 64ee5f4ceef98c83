"""Networks and volumes that compose projects share: who makes them, and the units that do it.

Source: Compose Specification, "networks" and "volumes" (external, name); docker/compose at v2.33.1,
pkg/compose/create.go: an external one must exist, and a network that the project itself should
make must not. Names are those that moby's daemon/names takes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.engine.text.systemd import ETC
from builder.errors import KeyPath
from builder.guestpath import GuestPath, join
from builder.structs import Struct

KINDS = ("network", "volume")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_BUILT_IN = frozenset({"bridge", "host", "none"})
_COMMANDS = {
    "network": "/bin/sh -c '/usr/bin/docker network inspect %i >/dev/null 2>&1 "
    "|| exec /usr/bin/docker network create %i'",
    "volume": "/usr/bin/docker volume create %i",
}


class Shared(Struct, frozen=True):
    """A network or volume of the engine.

    Attributes:
        kind: ``network`` or ``volume``.
        name: Its name in the engine.
    """

    kind: str
    name: str

    @property
    def unit(self) -> str:
        """The unit that makes it."""
        return f"photon-builder-{self.kind}@{self.name}.service"

    @property
    def is_name_valid(self) -> bool:
        """Whether the engine takes its name."""
        return bool(_NAME.fullmatch(self.name))


def iter_external(project: object) -> Iterator[tuple[Shared, KeyPath]]:
    """Yield what a project uses and does not make, and where it says so."""
    for kind, key, entry in _entries(project):
        external = entry.get("external")
        if _is_true(external) or isinstance(external, Mapping):
            inner = external.get("name") if isinstance(external, Mapping) else None
            shared = Shared(kind, str(entry.get("name") or inner or key))
            if kind != "network" or shared.name not in _BUILT_IN:
                yield shared, (f"{kind}s", key)


def iter_made(name: str, project: object) -> Iterator[Shared]:
    """Yield what the project ``name`` makes when it comes up."""
    yield Shared("network", f"{name}_default")
    for kind, key, entry in _entries(project):
        if not entry.get("external"):
            yield Shared(kind, str(entry.get("name") or f"{name}_{key}"))


def unit_path(kind: str) -> GuestPath:
    """Return where the template unit of a kind lies."""
    return join(ETC, f"photon-builder-{kind}@.service")


def format_unit(kind: str) -> str:
    """Return the template unit that makes a network or volume, unless it is there."""
    return f"""\
[Unit]
Description=Docker {kind} %i
Requires=docker.service
After=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={_COMMANDS[kind]}
"""


def _entries(project: object) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield kind, key and settings of each network and volume at the top of a project."""
    for kind in KINDS:
        listed = project.get(f"{kind}s") if isinstance(project, Mapping) else None
        for key, entry in listed.items() if isinstance(listed, Mapping) else ():
            yield kind, str(key), entry if isinstance(entry, Mapping) else {}


def _is_true(value: object) -> bool:
    """Return whether a value means yes, written in a variable or not."""
    return value is True or str(value).lower() == "true"
