"""What the container engine needs at boot, for `docker` and for `compose`; no feature itself."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.features import Context, Reasoned, Requested
from builder.guest import engine, mount_needs

_FLUSHED = "a restart of iptables.service flushes docker's rules; docker writes them when it starts"


def engine_changes(
    context: Context, reason: str, own: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Requested]:
    """Yield all that the engine needs; equal wishes of several apps become one.

    Args:
        context: Its overlay says what daemon.json has.
        reason: Why the engine is on.
        own: What the overlay at hand says of daemon.json; contradictions show as such.
    """
    given = {**context.overlay.get("docker", {}).get("daemon", {}), **own}
    yield Reasoned(SetUnitState("docker.service", UnitState.ENABLED), reason)
    text = engine.format_daemon(engine.daemon_settings(given, context.facts))
    yield Reasoned(
        WriteFile(engine.DAEMON, Blob.text(text)), "container logs must not fill the disk"
    )
    yield Reasoned(
        WriteFile(engine.dropin("docker.service"), Blob.text(engine.AFTER_FILTER)),
        "iptables.service flushes docker's rules when it starts after docker",
    )
    yield Reasoned(
        WriteFile(engine.dropin("iptables.service"), Blob.text(engine.RESTART)), _FLUSHED
    )
    yield from _profile_changes(given, context)
    yield from _mount_changes(given, context)
    yield from _command_changes(given, context)


def _profile_changes(given: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the seccomp profile, where the engine's own fails images of today."""
    profile = engine.profile_of(context.facts)
    if profile is None or engine.PROFILE_KEY in given:
        return
    reason = (
        f"docker {context.facts.docker.version} answers EPERM to calls that it does not know, so "
        "images with glibc 2.34, Alpine 3.14 or newer fail; "
        f'`docker: {{daemon: {{{engine.PROFILE_KEY}: ""}}}}` keeps its own profile'
    )
    yield Reasoned(WriteFile(engine.PROFILE, Blob.file(profile)), reason)


def _mount_changes(given: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the drop-ins that keep the engine from writing below a mount that comes late."""
    mounts = context.overlay.get("mounts", ())
    for unit, folder in (("docker.service", engine.data_root(given)), engine.CONTAINERD_ROOT):
        needed = mount_needs.mounts_at([folder], mounts)
        if needed:
            text = f"[Unit]\n{mount_needs.requires_mounts_for(needed)}"
            path = engine.dropin(unit, "20-photon-builder-mounts.conf")
            reason = f"{folder} lies on a mount that may come after {unit}"
            yield Reasoned(WriteFile(path, Blob.text(text)), reason)


def _command_changes(given: Mapping[str, Any], context: Context) -> Iterator[Requested]:
    """Yield the drop-in without the arguments that daemon.json has, unless the spec has its own."""
    units = context.overlay.get("units", {})
    named = [units.get(name, {}) for name in ("docker", "docker.service")]
    own = [
        text
        for unit in named
        for text in (unit.get("content", ""), *unit.get("dropins", {}).values())
    ]
    text = engine.command_dropin(given, context.facts)
    if text and not any("ExecStart=" in each for each in own):
        path = engine.dropin("docker.service", "20-photon-builder-command.conf")
        reason = "dockerd refuses a key of daemon.json that its unit gives as an argument"
        yield Reasoned(WriteFile(path, Blob.text(text)), reason)
