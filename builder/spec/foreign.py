"""Files of other tools that are given as specs: recognised by their keys, and named at once."""

from collections.abc import Callable, Mapping
from typing import Any

from builder.errors import Diagnostic
from builder.structs import Struct

_INIT = "`photon-builder init lab.yaml` writes a spec to start from"


class _Tool(Struct, frozen=True):
    """A kind of file that is not a spec: its name, how it is recognised, and what to do."""

    name: str
    fits: Callable[[Mapping[str, Any]], bool]
    hint: str


def _has(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a check for files that have one of some keys at the top."""
    return lambda value: any(key in value for key in keys)


_TOOLS = (
    _Tool(
        "a compose file",
        lambda value: isinstance(value.get("services"), dict),
        f"{_INIT}; name this file in it: `overlay: {{compose: {{web: {{file: compose.yaml}}}}}}`",
    ),
    _Tool("a Kubernetes manifest", lambda value: {"apiVersion", "kind"} <= value.keys(), _INIT),
    _Tool("an Ignition config", _has("ignition"), _INIT),
    _Tool("a Butane config", lambda value: {"variant", "version"} <= value.keys(), _INIT),
    _Tool(
        "a kickstart of Photon's installer",
        lambda value: (
            isinstance(value.get("disk"), str) or {"hostname", "password"} <= value.keys()
        ),
        f"{_INIT}; `photon-builder init lab.yaml -t iso` one for the installer",
    ),
    _Tool(
        "a netplan file",
        lambda value: isinstance(value.get("network"), dict) and "ethernets" in value["network"],
        f"{_INIT}; interfaces stand directly under `overlay.network`",
    ),
    _Tool(
        "cloud-config of cloud-init",
        _has("write_files", "runcmd", "bootcmd", "ssh_pwauth", "chpasswd", "package_update"),
        f"{_INIT}; its keys stand under `overlay`: `files`, `first_boot`, `users`",
    ),
)


def find_foreign(value: object) -> Diagnostic | None:
    """Return what a file is instead of a spec; ``None`` for what was meant as one."""
    if not isinstance(value, dict) or value.keys() & {"base", "overlay", "target", "targets"}:
        return None
    found = next((tool for tool in _TOOLS if tool.fits(value)), None)
    if found is None:
        return None
    return Diagnostic(f"this is {found.name}; wanted a spec", "SPEC003", found.hint)
